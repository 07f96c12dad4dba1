/**
 * The names in a kernel's namespace, and what is behind one of them: asked from the kernel itself by a silent request
 * that stores nothing and raises no counter. Python kernels only.
 */
import type { Kernel } from "@jupyterlab/services";

/** How long a kernel may take; a busy one does not answer, and then there are no variables to offer. */
const PATIENCE_MS = 2_000;

export interface Variable {
  name: string;
  type: string;
}

const NAMES = `__import__("json").dumps([
  {"name": n, "type": type(v).__name__} for n, v in list(globals().items())
  if not n.startswith("_") and n not in ("In", "Out", "exit", "quit", "open", "get_ipython")
  and type(v).__name__ not in ("module", "function", "type", "builtin_function_or_method")][-200:])`;

/** The variables of a Python kernel, the newest last; none while it is busy. */
export async function listVariables(kernel: Kernel.IKernelConnection | null | undefined): Promise<Variable[]> {
  const text = await evaluate(kernel, NAMES);
  return text === null ? [] : (JSON.parse(text) as Variable[]);
}

/** What \`%%clawdbot --var\` says of a variable too: a frame by its schema and head, anything else by its repr. */
export async function describe(kernel: Kernel.IKernelConnection | null | undefined, name: string): Promise<string> {
  if (!/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name)) throw new Error(`not a name: ${name}`);
  const text = await evaluate(
    kernel,
    `__import__("clawdbot_ext.describe", fromlist=["describe"]).describe("${name}", ${name})`,
  );
  return text ?? `${name}: the kernel did not answer`;
}

async function evaluate(
  kernel: Kernel.IKernelConnection | null | undefined,
  expression: string,
): Promise<string | null> {
  if (!kernel || kernel.status === "dead") return null;
  const info = await kernel.info;
  if (info.language_info.name !== "python") return null;
  const request = kernel.requestExecute(
    {
      code: "",
      silent: true,
      store_history: false,
      allow_stdin: false,
      user_expressions: { value: expression },
    },
    true,
  );
  const timeout = new Promise<null>((resolve) => setTimeout(() => resolve(null), PATIENCE_MS));
  const reply = await Promise.race([request.done, timeout]);
  request.dispose();
  if (reply?.content.status !== "ok") return null;
  const value = reply.content.user_expressions.value as { status?: string; data?: Record<string, string> } | undefined;
  const text = value?.data?.["text/plain"];
  return value?.status === "ok" && text !== undefined ? unquoted(text) : null;
}

/** The string that Python showed the repr of. */
function unquoted(repr: string): string {
  const quote = repr[0];
  if (quote !== "'" && quote !== '"') return repr;
  const body = repr.slice(1, -1);
  return body.replace(/\\(u[0-9a-f]{4}|U[0-9a-f]{8}|x[0-9a-f]{2}|.)/gi, (_, code: string) => {
    if (code.length > 1) return String.fromCodePoint(parseInt(code.slice(1), 16));
    return { n: "\n", t: "\t", r: "\r" }[code] ?? code;
  });
}
