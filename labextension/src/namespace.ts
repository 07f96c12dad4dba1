/**
 * The names in the kernel of the notebook in front. They are asked for after code ran there, whichever
 * client sent it; our own question is silent, is announced to no client as input, and so never leads to the next one.
 */
import type { ISessionContext } from "@jupyterlab/apputils";
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import { listVariables } from "./variables.js";

/** A queue of cells is asked about once, at its end. */
const SETTLED_MS = 200;
const GONE: ReadonlySet<Kernel.Status> = new Set(["restarting", "autorestarting", "terminating", "dead"]);

export class Namespace {
  /** The newest last. */
  names: readonly string[] = [];
  private context: ISessionContext | null = null;
  /** Code ran since the last question. */
  private stale = true;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param wanted whether the names are on show
   * @param ran code has ended, or the names are others
   */
  constructor(
    private readonly wanted: () => boolean,
    private readonly ran: () => void,
  ) {}

  /** Another notebook is in front, or none. */
  follow(context: ISessionContext | null): void {
    if (context === this.context) return;
    this.context?.iopubMessage.disconnect(this.heard);
    this.context?.statusChanged.disconnect(this.statusChanged);
    this.context?.kernelChanged.disconnect(this.forget);
    this.context = context;
    context?.iopubMessage.connect(this.heard);
    context?.statusChanged.connect(this.statusChanged);
    context?.kernelChanged.connect(this.forget);
    this.forget();
    this.refresh();
  }

  /** Ask, if code ran since and the names are on show. */
  refresh(): void {
    clearTimeout(this.timer);
    if (!this.stale || !this.wanted() || this.context?.session?.kernel?.status !== "idle") return;
    this.timer = setTimeout(() => void this.ask(), SETTLED_MS);
  }

  private async ask(): Promise<void> {
    const kernel = this.context?.session?.kernel;
    this.stale = false;
    const names = (await listVariables(kernel)).map(({ name }) => name);
    if (kernel !== this.context?.session?.kernel) return;
    this.names = names;
    this.ran();
  }

  private readonly heard = (_context: ISessionContext, message: KernelMessage.IMessage): void => {
    if (message.header.msg_type === "execute_input") this.stale = true;
  };

  private readonly statusChanged = (_context: ISessionContext, status: Kernel.Status): void => {
    if (GONE.has(status)) this.forget();
    if (status === "idle" && this.stale) this.ran();
    this.refresh();
  };

  private readonly forget = (): void => {
    clearTimeout(this.timer);
    this.names = [];
    this.stale = true;
    this.ran();
  };
}
