/**
 * `kernel.variables`, `inspect`, `docs`, `packages` and `try`: what a kernel says of its state. A Python kernel is sent
 * the code that looks; where it has subshells it is asked beside a running cell.
 */
import type { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";
import { KernelMessage } from "@jupyterlab/services";
import type { Kernel } from "@jupyterlab/services";
import describeCode from "../../../clawdbot_ext/client/describe.py";
import kernelCode from "../../../clawdbot_ext/server/hands_node/kernel_code.py";
import { unquoted } from "../variables.js";
import { HandsError } from "./errors.js";
import type { History } from "./history.js";
import { kernelOf, mustBeIdle } from "./kernel.js";
import type { Parameters } from "./node.js";
import { openConnected, within } from "./notebooks.js";
import { joined, withoutAnsi } from "./outputs.js";

/** For an answer about variables or docs. */
const QUESTION_MS = 10_000;
const PACKAGES_MS = 30_000;
const TRY_S = 10;
const MOST_TRY_S = 30;
const MOST_TEXT = 20_000;
/** A subshell that was not used for so long is given back. */
const UNUSED_MS = 60_000;
const NAME = /^[\p{L}_][\p{L}\p{N}_]*$/u;
const SPACE = "__import__('IPython').get_ipython().user_ns";

interface Variable {
  name: string;
  mark?: string;
  changed?: boolean;
}

interface Subshell {
  process: string;
  id: Promise<string | null>;
  timer?: ReturnType<typeof setTimeout>;
}

export class Look {
  private readonly subshells = new WeakMap<Kernel.IKernelConnection, Subshell>();
  /** The marks of the variables at the last look, by kernel process. */
  private readonly seen = new Map<string, Map<string, string>>();

  constructor(
    private readonly notebooks: INotebookTracker,
    private readonly history: History,
  ) {}

  async variables({ path }: Parameters): Promise<unknown> {
    const panel = await openConnected(this.notebooks, path);
    const found = (await this.evaluate(panel, kernelCode, `variables(${SPACE})`)) as { variables: Variable[] };
    const process = this.history.processOf(panel);
    const before = this.seen.get(process);
    const now = new Map(found.variables.map(({ name, mark }) => [name, mark ?? ""]));
    this.seen.set(process, now);
    for (const row of found.variables) {
      if (before) row.changed = before.get(row.name) !== row.mark;
      delete row.mark;
    }
    const removed = before ? { removed: [...before.keys()].filter((name) => !now.has(name)) } : {};
    return { ...found, ...removed, kernel: this.history.kernelOf(panel) };
  }

  async inspect({ path, name, detail }: Parameters): Promise<unknown> {
    const panel = await openConnected(this.notebooks, path);
    if ((await languageOf(kernelOf(panel))) !== "python")
      return this.documented(panel, dotted(name), detail === "full" ? 1 : 0);
    if (typeof name !== "string" || !NAME.test(name)) throw invalid("name is the name of a variable");
    const quoted = JSON.stringify(name);
    // Never drawn beside a running cell: matplotlib is not made for two threads.
    const told = this.history.isBusy(panel)
      ? `__import__("json").dumps({"text": describe(${quoted}, ${SPACE}[${quoted}])})`
      : `told(${quoted}, ${SPACE}[${quoted}])`;
    const found = (await this.evaluate(panel, describeCode, `${told} if ${quoted} in ${SPACE} else "null"`)) as {
      text: string;
      leftOut?: unknown;
      picture?: string;
    } | null;
    if (!found) throw new HandsError("NO_SUCH_NAME", `the kernel has no variable ${name}`, { name });
    const image = found.picture ? { image: { mediaType: "image/png", data: found.picture } } : {};
    return { name, text: found.text, leftOut: found.leftOut ?? {}, ...image };
  }

  async docs({ path, name }: Parameters): Promise<unknown> {
    return this.documented(await openConnected(this.notebooks, path), dotted(name), 0);
  }

  async packages({ path }: Parameters): Promise<unknown> {
    const panel = await openConnected(this.notebooks, path);
    return this.evaluate(panel, kernelCode, "packages()", { patience: PACKAGES_MS });
  }

  /** In a forked copy of the kernel: the person's state stays as it is. */
  async tryCode({ path, code, seconds }: Parameters): Promise<unknown> {
    const panel = await openConnected(this.notebooks, path);
    if (typeof code !== "string") throw invalid("code is a text");
    const most = Math.max(1, Math.min(typeof seconds === "number" ? Math.trunc(seconds) : TRY_S, MOST_TRY_S));
    await mustBeIdle(this.history, panel); // it is copied between two cells
    const expression = `tried(__import__('IPython').get_ipython(), ${JSON.stringify(code)}, ${most})`;
    const patience = (most + 10) * 1_000;
    const found = (await this.evaluate(panel, kernelCode, expression, { beside: false, patience })) as {
      refused?: string;
      text?: string;
      traceback?: string;
    };
    if (found.refused !== undefined) throw new HandsError("NOT_SUPPORTED", found.refused);
    return { ...found, text: withoutAnsi(found.text ?? "") };
  }

  // -- requests --------------------------------------------------------------------------------------------------------
  private async documented(panel: NotebookPanel, name: string, detail: 0 | 1): Promise<unknown> {
    const content = { code: name, cursor_pos: Array.from(name).length, detail_level: detail };
    const reply = (await this.ask(panel, "inspect_request", content)) as KernelMessage.IInspectReplyMsg["content"];
    if (reply.status !== "ok" || !reply.found)
      throw new HandsError("NO_SUCH_NAME", `the kernel knows no ${name}`, { name });
    const text = withoutAnsi(joined(reply.data["text/plain"]));
    return { name, text: text.slice(0, MOST_TEXT), truncated: text.length > MOST_TEXT };
  }

  /** The value, given as JSON, of an expression over the functions of `code`, which is sent along. */
  private async evaluate(
    panel: NotebookPanel,
    code: string,
    expression: string,
    how: { beside?: boolean; patience?: number } = {},
  ): Promise<unknown> {
    const language = await languageOf(kernelOf(panel));
    if (language !== "python")
      throw new HandsError("NOT_SUPPORTED", `only of Python kernels, and this one is ${language}`, { language });
    const [source, asked] = [JSON.stringify(code), JSON.stringify(expression)];
    const whole = `(lambda s, b: (b.exec(${source}, s), b.eval(${asked}, s))[1])({"__name__": "x"}, __import__("builtins"))`;
    const content = {
      code: "",
      silent: true,
      store_history: false,
      allow_stdin: false,
      user_expressions: { value: whole },
    };
    const reply = (await this.ask(panel, "execute_request", content, how)) as {
      user_expressions?: { value?: { status: string; data?: Record<string, string>; ename?: string; evalue?: string } };
    };
    const value = reply.user_expressions?.value;
    const text = value?.data?.["text/plain"];
    if (value?.status !== "ok" || text === undefined)
      throw new HandsError("FAILED", `the kernel did not answer: ${value?.ename ?? ""} ${value?.evalue ?? ""}`.trim());
    return JSON.parse(unquoted(text)) as unknown;
  }

  private async ask(
    panel: NotebookPanel,
    msgType: "execute_request" | "inspect_request",
    content: object,
    { beside = true, patience = QUESTION_MS }: { beside?: boolean; patience?: number } = {},
  ): Promise<unknown> {
    const kernel = kernelOf(panel);
    const busy = this.history.isBusy(panel);
    const subshellId = busy && beside ? await this.subshell(kernel, this.history.processOf(panel)) : null;
    if (busy && subshellId === null)
      throw new HandsError("KERNEL_BUSY", "a cell runs, and this kernel cannot be asked beside it");
    const message = KernelMessage.createMessage({
      msgType: msgType as "execute_request",
      channel: "shell",
      username: kernel.username,
      session: kernel.clientId,
      ...(subshellId === null ? {} : { subshellId }),
      content: content as KernelMessage.IExecuteRequestMsg["content"],
    });
    const future = kernel.sendShellMessage(message, true, false);
    const reply = await within(future.done, patience);
    future.dispose();
    if (!reply) throw new HandsError("TIMEOUT", "the kernel did not answer in time");
    return reply.content;
  }

  /** One a kernel process, for as long as it is used. */
  private subshell(kernel: Kernel.IKernelConnection, process: string): Promise<string | null> {
    if (!kernel.supportsSubshells) return Promise.resolve(null);
    let known = this.subshells.get(kernel);
    if (known?.process !== process) {
      const id = within(kernel.requestCreateSubshell({}, true).done, QUESTION_MS).then(
        (reply) => reply?.content.subshell_id ?? null,
        () => null,
      );
      known = { process, id };
      this.subshells.set(kernel, known);
    }
    clearTimeout(known.timer);
    const used = known;
    used.timer = setTimeout(() => void this.giveBack(kernel, used), UNUSED_MS);
    return known.id;
  }

  private async giveBack(kernel: Kernel.IKernelConnection, used: Subshell): Promise<void> {
    if (this.subshells.get(kernel) === used) this.subshells.delete(kernel);
    const id = await used.id;
    if (id !== null && !kernel.isDisposed)
      kernel.requestDeleteSubshell({ subshell_id: id }, true).done.catch(() => null);
  }
}

async function languageOf(kernel: Kernel.IKernelConnection): Promise<string> {
  return (await within(kernel.info, QUESTION_MS))?.language_info.name ?? "unknown";
}

/** A name of names; never code, which asking for its docs would run. */
function dotted(name: unknown): string {
  if (typeof name !== "string" || name.length > 200 || !name.split(".").every((part) => NAME.test(part)))
    throw invalid("name is a name such as pandas.DataFrame.merge");
  return name;
}

function invalid(message: string): HandsError {
  return new HandsError("INVALID_REQUEST", message);
}
