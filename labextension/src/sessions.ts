/** Which session each panel shows. Kept with Lab's workspace, as the layout is, so that a reload brings both back. */
import type { IStateDB } from "@jupyterlab/statedb";

const KEY = "jupyter-clawdbot:sessions";
const MAIN = "main";
/** Such a session is not kept anywhere, so neither is that it was on show. */
const TEMPORARY = "agent:main:temporary:";

export class Sessions {
  private known: Promise<Record<string, string>> | undefined;

  /** @param state `null` where the application has no such place: each panel begins with the main session then */
  constructor(private readonly state: IStateDB | null) {}

  async of(panel: string): Promise<string> {
    return (await this.all())[panel] ?? MAIN;
  }

  async show(panel: string, session: string): Promise<void> {
    if (session.startsWith(TEMPORARY)) return;
    const all = await this.all();
    all[panel] = session;
    await this.state?.save(KEY, all);
  }

  /** True the first time that it is asked of a panel: then its session is kept, too. */
  async isNew(panel: string): Promise<boolean> {
    const known = panel in (await this.all());
    if (!known) await this.show(panel, MAIN);
    return !known;
  }

  /** The panel was closed. */
  async forget(panel: string): Promise<void> {
    const all = await this.all();
    Reflect.deleteProperty(all, panel);
    await this.state?.save(KEY, all);
  }

  private all(): Promise<Record<string, string>> {
    this.known ??= (this.state?.fetch(KEY) ?? Promise.resolve(undefined)).then((kept) => ({
      ...(kept as Record<string, string> | undefined),
    }));
    return this.known;
  }
}
