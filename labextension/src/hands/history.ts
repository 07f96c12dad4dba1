/**
 * The state of the cells: which of them ran as they are shown, in the kernel process that runs now. It is known for runs
 * that this page saw, and kept for a reload of it; of other cells with a prompt number it is not, and they count as stale.
 */
import type { Cell, ICodeCellModel } from "@jupyterlab/cells";
import type { ISessionContext } from "@jupyterlab/apputils";
import type { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";
import { NotebookActions } from "@jupyterlab/notebook";
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import { isRunning, pathOf } from "./notebooks.js";
import { revisionOf } from "./revision.js";

/** `stale`: its output is from another kernel process, or a cell above it ran or changed since. */
export type CellState = "ran" | "edited" | "stale" | "never" | "running";

export interface KernelFacts {
  id: string;
  name: string;
  displayName: string;
  status: string;
  language?: string;
  /** How often the process was started anew as long as this page knows the kernel. */
  restarts: number;
}

interface Run {
  revision: string;
  /** Counts the runs in the notebook. */
  order: number;
  /** The kernel process, by the session of its messages. */
  process: string;
}

interface Kept {
  runs: Record<string, Run>;
  last: number;
}

interface Known {
  process: string;
  restarts: number;
}

const STORED = "clawdbot-runs:";
const KERNELS = "clawdbot-kernels";
/** Statuses that the server tells of a kernel; the session of such a message is the server's. */
const OF_THE_SERVER = new Set(["restarting", "autorestarting", "dead", "terminating"]);

/** What is asked on a kernel's control channel, beside what it does. */
const ON_CONTROL = new Set([
  "create_subshell_request",
  "delete_subshell_request",
  "list_subshell_request",
  "interrupt_request",
  "debug_request",
]);

export class History {
  private readonly runs = new WeakMap<NotebookPanel, Kept>();
  /** What each kernel does outside of its subshells. */
  private readonly states = new WeakMap<Kernel.IKernelConnection, string>();
  private read: Record<string, Known> | null = null;

  constructor(notebooks: INotebookTracker) {
    notebooks.forEach((panel) => this.watch(panel));
    notebooks.widgetAdded.connect((_, panel) => this.watch(panel));
    NotebookActions.executed.connect((_, { notebook, cell }) => {
      const panel = notebooks.find((each) => each.content === notebook);
      if (panel && cell.model.type === "code" && !cell.isDisposed) this.ran(panel, cell);
    });
  }

  /** Read when a notebook asks for it: the first look into the page's storage takes milliseconds. */
  private get kernels(): Record<string, Known> {
    return (this.read ??= (stored(KERNELS) as Record<string, Known> | null) ?? {});
  }

  kernelOf(panel: NotebookPanel): KernelFacts | null {
    const { sessionContext } = panel;
    const kernel = sessionContext.session?.kernel;
    if (!kernel) return null;
    const { id, name, status } = kernel;
    const restarts = this.kernels[id]?.restarts ?? 0;
    const language = sessionContext.specsManager.specs?.kernelspecs[name]?.language;
    return {
      id,
      name,
      displayName: sessionContext.kernelDisplayName,
      status,
      restarts,
      ...(language ? { language } : {}),
    };
  }

  /** The states of all cells of a notebook, in order. */
  statesOf(panel: NotebookPanel): CellState[] {
    const { runs } = this.of(panel);
    const process = this.processOf(panel);
    let newest = 0; // the last of the runs above
    let changed = false; // a cell above does not say what ran
    return panel.content.widgets.map((cell): CellState => {
      if (cell.model.type !== "code") return "never";
      const model = cell.model as ICodeCellModel;
      const run = runs[model.id];
      if (isRunning(cell)) {
        newest = Infinity;
        return "running";
      }
      if (!run && model.executionCount === null) return "never";
      if (run ? run.revision !== revisionOf(model.sharedModel.getSource()) : model.isDirty) {
        changed = true;
        return "edited";
      }
      const stale = run?.process !== process || run.order < newest || changed;
      newest = Math.max(newest, run?.order ?? 0);
      return stale ? "stale" : "ran";
    });
  }

  private watch(panel: NotebookPanel): void {
    panel.sessionContext.iopubMessage.connect(this.heard);
  }

  private readonly heard = (context: ISessionContext, message: KernelMessage.IMessage): void => {
    const { content, header } = message;
    const state = (content as { execution_state?: string }).execution_state;
    const kernel = context.session?.kernel;
    if (!kernel || (state !== undefined && OF_THE_SERVER.has(state))) return;
    if (state !== undefined) this.heardState(kernel, state, message.parent_header);
    const known = this.kernels[kernel.id];
    if (known?.process === header.session) return;
    this.kernels[kernel.id] = { process: header.session, restarts: known ? known.restarts + 1 : 0 };
    store(KERNELS, this.kernels);
  };

  /**
   * Lab takes the end of what goes on beside a cell for the cell's own end, and shows the kernel as idle. Only code that
   * runs counts here, and only our own questions beside it: the states of a starting kernel and of Lab's debugger overlap.
   */
  private heardState(kernel: Kernel.IKernelConnection, state: string, parent: object): void {
    const { subshell_id: subshell, msg_type: type = "" } = parent as { subshell_id?: string | null; msg_type?: string };
    if (!subshell && !ON_CONTROL.has(type)) {
      if (state !== "busy" || type === "execute_request") this.states.set(kernel, state);
    } else if (subshell && state === "idle" && this.states.get(kernel) === "busy") {
      setTimeout(() => {
        const { _updateStatus: update } = kernel as unknown as { _updateStatus?: (status: string) => void };
        if (this.states.get(kernel) === "busy" && kernel.status === "idle") update?.call(kernel, "busy");
      });
    }
  }

  /** Is a cell running, or other code outside of subshells? */
  isBusy(panel: NotebookPanel): boolean {
    const kernel = panel.sessionContext.session?.kernel;
    return kernel ? (this.states.get(kernel) ?? kernel.status) === "busy" : false;
  }

  processOf(panel: NotebookPanel): string {
    return this.kernels[panel.sessionContext.session?.kernel?.id ?? ""]?.process ?? "";
  }

  /** Wait until another process of the kernel is heard of. */
  nextProcess(panel: NotebookPanel): Promise<void> {
    const [before, { sessionContext }] = [this.processOf(panel), panel];
    return new Promise((resolve) => {
      const heard = (): void => {
        if (this.processOf(panel) === before) return;
        sessionContext.iopubMessage.disconnect(heard);
        resolve();
      };
      sessionContext.iopubMessage.connect(heard);
    });
  }

  private ran(panel: NotebookPanel, cell: Cell): void {
    const kept = this.of(panel);
    const revision = revisionOf(cell.model.sharedModel.getSource());
    kept.last += 1;
    kept.runs[cell.model.id] = { revision, order: kept.last, process: this.processOf(panel) };
    store(STORED + pathOf(panel), kept);
  }

  private of(panel: NotebookPanel): Kept {
    let kept = this.runs.get(panel);
    if (!kept) {
      kept = (stored(STORED + pathOf(panel)) as Kept | null) ?? { runs: {}, last: 0 };
      this.runs.set(panel, kept);
    }
    return kept;
  }
}

function stored(key: string): unknown {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null");
  } catch {
    return null; // the browser keeps nothing for this page
  }
}

function store(key: string, value: unknown): void {
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    // full, or not allowed: a reload forgets, and the cells count as stale
  }
}
