/** Nothing is exported that no other file uses, of the page, of JupyterLab's extension or of a test. A type may be
 * exported for its own file's signatures only, as long as anything uses it. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");
const EXPORTED = /^export (?:declare )?(?:abstract )?(?:async )?(const|let|class|function\*?|interface|type) (\w+)/gm;

function sources(folder: string): [string, string][] {
  return readdirSync(join(ROOT, folder), { recursive: true })
    .map((file) => join(ROOT, folder, String(file)))
    .filter((path) => path.endsWith(".ts") || path.endsWith(".tsx"))
    .map((path) => [relative(ROOT, path), readFileSync(path, "utf8")]);
}

test("every export is used in another file", () => {
  const files = ["static/src", "static/test", "labextension/src"].flatMap(sources);
  const users = new Map<string, Set<string>>();
  for (const [path, text] of files)
    for (const [word] of text.matchAll(/\w+/g)) users.set(word, (users.get(word) ?? new Set()).add(path));
  const unused = files
    .filter(([path]) => !path.endsWith("generated.ts")) // made from the schema of the protocol, whole
    .flatMap(([path, text]) =>
      [...text.matchAll(EXPORTED)]
        .filter(([, kind = "", name = ""]) => {
          const here = kind === "interface" || kind === "type" ? text.match(new RegExp(`\\b${name}\\b`, "g")) : null;
          return (here?.length ?? 1) < 2 && ![...(users.get(name) ?? [])].some((user) => user !== path);
        })
        .map(([, , name = ""]) => `${path}: ${name}`),
    );
  expect(unused).toEqual([]);
});
