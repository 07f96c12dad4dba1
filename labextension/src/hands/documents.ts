/** `notebook.create`, `delete`, `save`, `reveal`: the notebook as a document of Lab's. */
import type { JupyterFrontEnd } from "@jupyterlab/application";
import type { Cell } from "@jupyterlab/cells";
import type { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";
import { ServerConnection } from "@jupyterlab/services";
import { HandsError } from "./errors.js";
import type { Parameters } from "./node.js";
import { cellOf, isReadOnly, openNotebook, pathOf, within } from "./notebooks.js";
import type { GivenCell } from "./plan.js";
import { revisionOf } from "./revision.js";

const SAVING_MS = 30_000;
const OPENING_MS = 15_000;
/** A cell that is shown has a frame for so long. */
const SHOWN = "clawdbot-mod-shown";
const SHOWN_MS = 2_000;

export class Documents {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly notebooks: INotebookTracker,
  ) {}

  /** A new file, opened behind what the person looks at. @throws HandsError EXISTS */
  async create({ path, kernelName, cells }: Parameters): Promise<unknown> {
    const { contents, kernelspecs } = this.app.serviceManager;
    if (typeof path !== "string" || !path.endsWith(".ipynb"))
      throw new HandsError("INVALID_REQUEST", "path is that of a notebook");
    if (await this.exists(path)) throw new HandsError("EXISTS", `${path} exists`, { path });
    await kernelspecs.ready;
    const name = typeof kernelName === "string" ? kernelName : (kernelspecs.specs?.default ?? "");
    const spec = kernelspecs.specs?.kernelspecs[name];
    if (typeof kernelName === "string" && !spec) throw new HandsError("NO_KERNEL", `no kernel is called ${name}`);
    const kernelspec = spec && { name: spec.name, display_name: spec.display_name, language: spec.language };
    const content = {
      cells: ((cells ?? [{}]) as GivenCell[]).map(newCell),
      metadata: kernelspec ? { kernelspec } : {},
      nbformat: 4,
      nbformat_minor: 5,
    };
    await contents.save(path, { type: "notebook", format: "json", content });
    await within(this.open(path), OPENING_MS);
    return { path };
  }

  /** Delete the notebook if its cells are still exactly those, unsaved text included. @throws HandsError CONFLICT */
  async delete({ path, cells }: Parameters): Promise<unknown> {
    const panel = await openNotebook(this.notebooks, path);
    const now = panel.content.widgets.map(({ model }) => [model.id, revisionOf(model.sharedModel.getSource())]);
    const expected = ((cells ?? []) as { cell: string; rev: string }[]).map(({ cell, rev }) => [cell, rev]);
    if (JSON.stringify(now) !== JSON.stringify(expected))
      throw new HandsError("CONFLICT", "the notebook was changed meanwhile", { conflicts: [] });
    if (isReadOnly(panel)) throw new HandsError("READ_ONLY", "the notebook is read-only");
    const { contents, sessions } = this.app.serviceManager;
    const place = panel.context.path;
    await contents.delete(place); // Jupyter's trash has it, where the server has one
    this.notebooks.filter((each) => each.context.path === place).forEach((each) => each.dispose());
    await sessions.stopIfNeeded(place);
    return { path };
  }

  async save({ path }: Parameters): Promise<unknown> {
    const panel = await openNotebook(this.notebooks, path);
    if (panel.context.model.readOnly) throw new HandsError("READ_ONLY", "the notebook is read-only");
    await within(panel.context.save(), SAVING_MS); // where others have changed the file, Lab asks the person
    return { dirty: panel.context.model.dirty };
  }

  /** The person asked to be shown the cell. Where they see the notebook already, cursor and focus stay where they are. */
  async reveal({ path, cell }: Parameters): Promise<unknown> {
    const known = this.notebooks.find((each) => each.isVisible && pathOf(each) === path);
    if (!known) await this.app.commands.execute("docmanager:open", { path: String(path) });
    const panel = await openNotebook(this.notebooks, path);
    if (!panel.isVisible) this.app.shell.activateById(panel.id);
    await within(panel.revealed, OPENING_MS);
    if (cell !== undefined && cell !== null) await show(panel, cellOf(panel, cell));
    return { ok: true };
  }

  private async open(path: string): Promise<void> {
    await this.app.commands.execute("docmanager:open", { path, options: { activate: false } });
    if (this.notebooks.find((panel) => panel.context.path === path)) await openNotebook(this.notebooks, path);
  }

  private async exists(path: string): Promise<boolean> {
    try {
      await this.app.serviceManager.contents.get(path, { content: false });
      return true;
    } catch (error) {
      if (error instanceof ServerConnection.ResponseError && error.response.status === 404) return false;
      throw error;
    }
  }
}

async function show(panel: NotebookPanel, cell: Cell): Promise<void> {
  // Not `scrollToCell`, which selects the cell and takes the focus.
  await panel.content.scrollToItem(panel.content.widgets.indexOf(cell), "center");
  cell.addClass(SHOWN);
  setTimeout(() => cell.removeClass(SHOWN), SHOWN_MS);
}

function newCell({ id, type = "code", source = "", metadata = {} }: GivenCell): Record<string, unknown> {
  const base = { ...(id === undefined ? {} : { id }), cell_type: type, source, metadata };
  return type === "code" ? { ...base, outputs: [], execution_count: null } : base;
}
