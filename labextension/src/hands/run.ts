/**
 * `notebook.run`: cells in the notebook's own kernel, by Lab's own way, so that prompts, outputs and the toolbar show it.
 * The person's place stays, a stop meets only what was started here, and `input()` is asked of the person by the gateway.
 */
import type { Cell, CodeCell } from "@jupyterlab/cells";
import type { INotebookTracker, Notebook, NotebookPanel } from "@jupyterlab/notebook";
import { NotebookActions } from "@jupyterlab/notebook";
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import { HandsError } from "./errors.js";
import type { History } from "./history.js";
import type { Inputs } from "./input.js";
import { kernelIdle, kernelOf, mustBeSame } from "./kernel.js";
import type { Call, Parameters } from "./node.js";
import { cellOf, isCode, isReadOnly, openConnected, texts, within } from "./notebooks.js";
import type { Output, RawOutput, Room } from "./outputs.js";
import { newRoom, OF_A_RUN, rawOutputs, textOf, withinBudget } from "./outputs.js";
import { revisionOf } from "./revision.js";

type Status = "ok" | "error" | "aborted";

interface Result {
  cell: string;
  status: Status;
  executionCount: number | null;
  ms: number;
  outputs: Output[];
  /** Why a cell was not run, or what became of the kernel meanwhile. */
  problem?: { code: string; message: string };
}

/** Between two pieces of a cell's output that are told. */
const PROGRESS_MS = 200;
/** Of one piece: the end of what came since the last one. */
const MOST_PROGRESS = 2_000;
const INTERRUPTS_MS = [0, 1_000, 3_000];
/** Lab asks the person where the file was changed by others; a run does not wait for that. */
const SAVING_MS = 10_000;
const GONE = new Set<Kernel.Status>(["dead", "terminating", "restarting", "autorestarting"]);

export class Runner {
  constructor(
    private readonly notebooks: INotebookTracker,
    private readonly history: History,
    private readonly inputs: Inputs,
  ) {}

  /** One after the other, up to the first error. */
  async run({ path, cells, revs, kernel, save }: Parameters, call: Call): Promise<unknown> {
    const panel = await openConnected(this.notebooks, path);
    const wanted = (texts(cells) ?? []).map((id) => cellOf(panel, id));
    const known = (revs ?? {}) as Record<string, string>;
    mustBeAsSeen(wanted, known);
    mustBeSame(this.history.kernelOf(panel), kernel);
    kernelOf(panel);
    const saved = save === false ? null : await saveFirst(panel);
    const results: Result[] = [];
    const room = newRoom();
    let stopped = false;
    for (const cell of wanted) {
      const { id } = cell.model;
      const changed = cell.isDisposed || revisionOf(cell.model.sharedModel.getSource()) !== known[id];
      const problem = changed ? { code: "CONFLICT", message: "the cell was changed meanwhile" } : undefined;
      if (stopped || changed || call.signal.aborted) results.push(notRun(id, problem));
      else results.push(await this.one(panel, cell, call, room));
      stopped ||= results.at(-1)?.status !== "ok";
    }
    return { results, kernel: this.history.kernelOf(panel), ...(saved === null ? {} : { saved }) };
  }

  private async one(panel: NotebookPanel, cell: Cell, call: Call, room: Room): Promise<Result> {
    const { id } = cell.model;
    if (!isCode(cell)) {
      await runInPlace(panel, cell);
      return { ...notRun(id), status: "ok" };
    }
    const kernel = kernelOf(panel);
    await kernelIdle(kernel, this.history, panel, call.signal); // a stop must not meet what others run
    if (call.signal.aborted) return notRun(id);
    call.progress({ cell: id, phase: "start" });
    const began = performance.now();
    const execution = new Execution(kernel, cell, call);
    const leave = this.inputs.watch(cell, (asked) => call.progress({ cell: id, ...asked }));
    let status: Status;
    try {
      status = await execution.run(panel);
    } finally {
      leave();
      execution.end();
    }
    const count = cell.isDisposed ? null : cell.model.executionCount;
    const died = status === "aborted" && (execution.died || kernel.isDisposed);
    if (died) status = "error";
    call.progress({ cell: id, phase: "done", status, executionCount: count });
    return {
      cell: id,
      status,
      executionCount: count,
      ms: Math.round(performance.now() - began),
      outputs: cell.isDisposed ? [] : withinBudget(rawOutputs(cell), OF_A_RUN, room),
      ...(died ? { problem: { code: "KERNEL_DIED", message: "the kernel died or was restarted" } } : {}),
    };
  }
}

function notRun(cell: string, problem?: Result["problem"]): Result {
  return { cell, status: "aborted", executionCount: null, ms: 0, outputs: [], ...(problem ? { problem } : {}) };
}

function mustBeAsSeen(cells: readonly Cell[], revs: Readonly<Record<string, string>>): void {
  const conflicts = cells.flatMap(({ model }) => {
    const source = model.sharedModel.getSource();
    const rev = revisionOf(source);
    return rev === revs[model.id] ? [] : [{ cell: model.id, rev, source }];
  });
  if (conflicts.length > 0) throw new HandsError("CONFLICT", "a cell was changed since it was read", { conflicts });
}

async function saveFirst(panel: NotebookPanel): Promise<boolean> {
  const { context } = panel;
  if (!context.model.dirty) return true;
  if (isReadOnly(panel)) return false;
  const done = context.save().then(
    () => true,
    () => false,
  );
  return (await within(done, SAVING_MS)) ?? false;
}

/** One cell's way through the kernel. */
class Execution {
  /** The process ended, by itself or by a restart. */
  died = false;
  private started = false;
  private ended = false;
  private text = "";
  private told = -Infinity;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly kernel: Kernel.IKernelConnection,
    private readonly cell: CodeCell,
    private readonly call: Call,
  ) {}

  async run(panel: NotebookPanel): Promise<Status> {
    let status: Status = "aborted";
    const executed: Parameters_<typeof NotebookActions.executed.connect> = (_, { cell, success, error }) => {
      if (cell === this.cell) status = success ? "ok" : isFailure(error, this.cell) ? "error" : "aborted";
    };
    NotebookActions.executed.connect(executed);
    this.kernel.statusChanged.connect(this.changed);
    this.call.signal.addEventListener("abort", this.stop);
    try {
      const running = runInPlace(panel, this.cell);
      this.cell.outputArea.future.registerMessageHook(this.heard);
      await running;
    } finally {
      NotebookActions.executed.disconnect(executed);
      this.kernel.statusChanged.disconnect(this.changed);
      this.call.signal.removeEventListener("abort", this.stop);
    }
    return status;
  }

  /** Tell the rest. */
  end(): void {
    this.ended = true;
    clearTimeout(this.timer);
    this.flush();
  }

  private readonly changed = (_: unknown, status: Kernel.Status): void => {
    if (GONE.has(status)) this.died = true;
  };

  /** What waits in the kernel behind others cannot be taken back: it is interrupted as soon as it begins. */
  private readonly stop = (): void => {
    if (!this.started) return;
    // A kernel that has just begun may miss the first; code may take one for its own.
    for (const delay of INTERRUPTS_MS)
      setTimeout(() => {
        if (!this.ended) this.kernel.interrupt().catch(() => undefined); // it is gone
      }, delay);
  };

  private readonly heard = (message: KernelMessage.IIOPubMessage): boolean => {
    if (!this.started && message.header.msg_type === "execute_input") {
      this.started = true;
      if (this.call.signal.aborted) this.stop();
    }
    const said = { output_type: message.header.msg_type, ...message.content } as RawOutput;
    const text = OUTPUTS.has(said.output_type) ? textOf(said, MOST_PROGRESS) : "";
    if (text !== "") this.add(said.output_type === "stream" ? text : `${text}\n`);
    return true;
  };

  private add(text: string): void {
    this.text = (this.text + text).slice(-MOST_PROGRESS);
    clearTimeout(this.timer);
    const left = this.told + PROGRESS_MS - performance.now();
    if (left <= 0) this.flush();
    else this.timer = setTimeout(() => this.flush(), left);
  }

  private flush(): void {
    if (this.text === "") return;
    this.call.progress({ cell: this.cell.model.id, phase: "output", text: this.text });
    this.text = "";
    this.told = performance.now();
  }
}

type Parameters_<F> = F extends (slot: infer S, ...rest: never[]) => unknown ? S : never;

const OUTPUTS = new Set(["stream", "display_data", "execute_result", "error"]);

/** A cell behind one that failed is not run; Lab calls that an error, too, but one without a name. */
function isFailure(error: unknown, cell: CodeCell): boolean {
  if ((error as { errorName?: string } | null)?.errorName) return true;
  return rawOutputs(cell).some(({ output_type: type }) => type === "error");
}

/** As Lab runs cells, but it would leave the edit mode, scroll to the active cell and take the focus before it begins. */
function runInPlace(panel: NotebookPanel, cell: Cell): Promise<boolean> {
  const notebook = panel.content;
  const { mode } = notebook;
  const shadow: Partial<Record<keyof Notebook, PropertyDescriptor>> = {
    mode: { get: () => mode, set: () => undefined, configurable: true },
    activeCell: { get: () => null, configurable: true },
    activate: { value: () => undefined, configurable: true },
  };
  Object.defineProperties(notebook, shadow as PropertyDescriptorMap);
  try {
    return NotebookActions.runCells(notebook, [cell], panel.sessionContext);
  } finally {
    for (const name of Object.keys(shadow)) Reflect.deleteProperty(notebook, name);
  }
}
