/** Nothing is exported that nothing uses, of the page, of JupyterLab's extension or of a test. */
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

test("every export is used", () => {
  const files = ["static/src", "static/test", "labextension/src"].flatMap(sources);
  const count = new Map<string, number>();
  for (const [, text] of files) for (const [word] of text.matchAll(/\w+/g)) count.set(word, (count.get(word) ?? 0) + 1);
  const unused = files
    .filter(([path]) => !path.endsWith("generated.ts")) // made from the schema of the protocol, whole
    .flatMap(([path, text]) => [...text.matchAll(EXPORTED)].map(([, , name = ""]) => ({ path, name })))
    .filter(({ name }) => (count.get(name) ?? 0) < 2);
  expect(unused).toEqual([]);
});
