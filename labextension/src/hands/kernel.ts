/** The kernel of a notebook: which it is, whether it is the same, and code in it that is no cell. */
import type { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import { HandsError } from "./errors.js";
import type { History, KernelFacts } from "./history.js";
import type { Call, Parameters } from "./node.js";
import { openConnected, within } from "./notebooks.js";
import type { RawOutput } from "./outputs.js";
import { FULL, newRoom, withinBudget } from "./outputs.js";

const RESTART_MS = 30_000;
const EXECUTE_MS = 30_000;
/** For code that was interrupted. */
const STOP_MS = 3_000;
const IDLE_MS = 300;
const MOST_EXECUTE_MS = 600_000;
const OUTPUTS = new Set(["stream", "display_data", "execute_result", "error"]);

/** @throws HandsError NO_KERNEL */
export function kernelOf(panel: NotebookPanel): Kernel.IKernelConnection {
  const kernel = panel.sessionContext.session?.kernel;
  if (!kernel || kernel.status === "dead" || panel.sessionContext.isTerminating)
    throw new HandsError("NO_KERNEL", "the notebook has no kernel");
  return kernel;
}

/** @throws HandsError KERNEL_CHANGED: it is not the process that the permission was given for */
export function mustBeSame(now: KernelFacts | null, expected: unknown): void {
  if (typeof expected !== "object" || expected === null) return;
  const { id, restarts } = expected as Partial<KernelFacts>;
  const same = (id === undefined || id === now?.id) && (restarts === undefined || restarts === now?.restarts);
  const restarting = now?.status === "restarting" || now?.status === "autorestarting";
  if (!same || restarting)
    throw new HandsError("KERNEL_CHANGED", "the kernel was restarted or replaced meanwhile", { kernel: now });
}

/** Wait for the end of what runs in it, until the signal. */
export async function kernelIdle(
  kernel: Kernel.IKernelConnection,
  history: History,
  panel: NotebookPanel,
  signal: AbortSignal,
): Promise<void> {
  while (history.isBusy(panel) && !kernel.isDisposed && !signal.aborted) await change(kernel, signal);
}

/** The next status of a kernel, or the signal. */
function change(kernel: Kernel.IKernelConnection, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      kernel.statusChanged.disconnect(done);
      kernel.disposed.disconnect(done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    kernel.statusChanged.connect(done);
    kernel.disposed.connect(done);
    signal.addEventListener("abort", done);
  });
}

/**
 * A cell's reply comes before the word that the kernel is idle.
 * @throws HandsError KERNEL_BUSY
 */
export async function mustBeIdle(history: History, panel: NotebookPanel): Promise<void> {
  const late = new AbortController();
  await within(kernelIdle(kernelOf(panel), history, panel, late.signal), IDLE_MS);
  late.abort();
  if (history.isBusy(panel)) throw new HandsError("KERNEL_BUSY", "a cell runs; wait for its end");
}

export class Kernels {
  constructor(
    private readonly notebooks: INotebookTracker,
    private readonly history: History,
  ) {}

  async interrupt({ path }: Parameters): Promise<unknown> {
    await kernelOf(await openConnected(this.notebooks, path)).interrupt();
    return { ok: true };
  }

  async restart({ path }: Parameters): Promise<unknown> {
    const panel = await openConnected(this.notebooks, path);
    const kernel = kernelOf(panel);
    const started = this.history.nextProcess(panel);
    await panel.sessionContext.restartKernel();
    await within(kernel.info, RESTART_MS);
    await within(started, RESTART_MS);
    return { kernel: this.history.kernelOf(panel) };
  }

  /** Code beside the document, not in the kernel's history. */
  async execute({ path, code, timeoutMs, silent }: Parameters, call: Call): Promise<unknown> {
    const panel = await openConnected(this.notebooks, path);
    if (typeof code !== "string") throw new HandsError("INVALID_REQUEST", "code is a text");
    const kernel = kernelOf(panel);
    await mustBeIdle(this.history, panel);
    const began = performance.now();
    const outputs: RawOutput[] = [];
    const future = kernel.requestExecute(
      { code, silent: silent === true, store_history: false, allow_stdin: false, stop_on_error: true },
      false,
    );
    future.onIOPub = ({ header, content }) => {
      if (OUTPUTS.has(header.msg_type)) add(outputs, { output_type: header.msg_type, ...content });
    };
    const stop = (): void => void kernel.interrupt().catch(() => undefined); // it is gone
    call.signal.addEventListener("abort", stop);
    const given = typeof timeoutMs === "number" && timeoutMs > 0 ? timeoutMs : EXECUTE_MS;
    const reply = await within(settled(future), Math.min(given, MOST_EXECUTE_MS));
    if (!reply) {
      stop();
      await within(settled(future), STOP_MS);
    }
    call.signal.removeEventListener("abort", stop);
    future.dispose();
    return {
      status: reply ?? "timeout",
      outputs: withinBudget(outputs, FULL, newRoom()),
      ms: Math.round(performance.now() - began),
    };
  }
}

/** The status of the reply; `aborted` where there is none, as the kernel is gone. */
async function settled(
  future: Kernel.IShellFuture<KernelMessage.IExecuteRequestMsg, KernelMessage.IExecuteReplyMsg>,
): Promise<string> {
  try {
    return (await future.done).content.status;
  } catch {
    return "aborted";
  }
}

/** A stream comes in pieces. */
function add(outputs: RawOutput[], output: RawOutput): void {
  const last = outputs.at(-1);
  if (output.output_type === "stream" && last?.output_type === "stream" && last.name === output.name)
    last.text = `${String(last.text)}${String(output.text)}`;
  else outputs.push(output);
}
