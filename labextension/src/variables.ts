/**
 * The names in a kernel's namespace, and what is behind one of them: asked from the kernel itself by a silent request
 * that stores nothing and raises no counter. Python kernels only.
 *
 * The code that looks is sent along: the kernel's environment need not have our package.
 */
import type { Kernel } from "@jupyterlab/services";
import { kernelCode } from "./embed.js";
import type { Text } from "./texts.js";

/** How long a kernel may take to tell its names, in ms; a busy one does not answer, and there is nothing to offer. */
const NAMES_MS = 2_000;
/** How long it may take to describe a value, in ms: ten times what `describe.py` allows itself. */
const VALUE_MS = 6_000;

export interface Variable {
  name: string;
  type: string;
}

/** What `describe.told` gives. */
export interface Described {
  text: string;
  /** How much of the value is not in the text. */
  leftOut: { rows?: number; columns?: number; items?: number; characters?: number };
  /** Of a figure or an image: a PNG, as base64. */
  picture?: string;
}

/** Why a value cannot be told, in the reader's language. */
class NoValue extends Error {}

/** The variables of a Python kernel, the newest last; none while it is busy. */
export async function listVariables(kernel: Kernel.IKernelConnection | null | undefined): Promise<Variable[]> {
  const answer = await evaluate(kernel, `ns["listed"](b.globals())`, NAMES_MS);
  return typeof answer === "string" ? (JSON.parse(answer) as Variable[]) : [];
}

/**
 * What \`%%clawdbot --var\` says of a variable too: a frame by its schema and head, anything else by its repr.
 * @throws NoValue
 */
export async function describe(
  kernel: Kernel.IKernelConnection | null | undefined,
  name: string,
  text: Text,
): Promise<Described> {
  if (!/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name)) throw new NoValue(name);
  const answer = await evaluate(kernel, `ns["told"]("${name}", b.globals()["${name}"])`, VALUE_MS);
  if (typeof answer === "string") return JSON.parse(answer) as Described;
  throw new NoValue(text(WHY[answer.none]));
}

const WHY = {
  kernel: "No Python kernel is running.",
  busy: "The kernel is busy.",
  silent: "The kernel did not answer.",
  gone: "The kernel does not know it any more.",
} as const;

/** What `expression` is, a string of Python's, or why there is none. */
async function evaluate(
  kernel: Kernel.IKernelConnection | null | undefined,
  expression: string,
  patience: number,
): Promise<string | { none: keyof typeof WHY }> {
  if (!kernel || kernel.status === "dead") return { none: "kernel" };
  const timeout = new Promise<null>((resolve) => setTimeout(() => resolve(null), patience));
  const info = await Promise.race([kernel.info, timeout]);
  if (info?.language_info.name !== "python") return { none: info ? "kernel" : "silent" };
  // The person's own names may hide those of Python: nothing but `__import__` is taken from their namespace.
  const source = await kernelCode();
  const code = `(lambda b, ns: (b.exec(${JSON.stringify(source)}, ns), ${expression})[1])`;
  const request = kernel.requestExecute(
    {
      code: "",
      silent: true,
      store_history: false,
      allow_stdin: false,
      user_expressions: { value: `${code}(__import__("builtins"), {"__name__": "clawdbot_describe"})` },
    },
    true,
  );
  const reply = await Promise.race([request.done, timeout]);
  const busy = kernel.status === "busy";
  request.dispose();
  if (reply === null) return { none: busy ? "busy" : "silent" };
  if (reply.content.status !== "ok") return { none: "silent" };
  const value = reply.content.user_expressions.value as { status?: string; data?: Record<string, string> } | undefined;
  const text = value?.data?.["text/plain"];
  return value?.status === "ok" && text !== undefined ? unquoted(text) : { none: "gone" };
}

/** The string that Python showed the repr of. */
export function unquoted(repr: string): string {
  const quote = repr[0];
  if (quote !== "'" && quote !== '"') return repr;
  const body = repr.slice(1, -1);
  return body.replace(/\\(u[0-9a-f]{4}|U[0-9a-f]{8}|x[0-9a-f]{2}|.)/gi, (_, code: string) => {
    if (code.length > 1) return String.fromCodePoint(parseInt(code.slice(1), 16));
    return { n: "\n", t: "\t", r: "\r" }[code] ?? code;
  });
}
