/** Every regular expression of the front end works in linear time: found in the source, pumped, measured. What a model
 * or a page writes gets to most of them. The package's are in `tests/test_patterns.py`. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");
const FOLDERS = ["static/src", "labextension/src"];
const LENGTH = 16_000;
/** Milliseconds in which what is linear is through a text of `LENGTH`, and what is quadratic is not. */
const QUICK = 4;
const HOPELESS = 60;
const RATIO = 3;

/** Patterns that are made of what is only known later, as they are made of something harmless. */
const MADE: Record<string, RegExp[]> = {
  "static/src/markdown/korean-rules.ts": [/(?<![*\s\\])\*\*(?!\*)/g, /(?<![*\s\\])\*(?!\*)/g],
  "static/src/elements/transcript/find-text.ts": [/two\s+words/giu],
};

interface Found {
  where: string;
  pattern: RegExp;
}

function* files(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else if (entry.name.endsWith(".ts")) yield path;
  }
}

function literals(): { found: Found[]; made: string[] } {
  const found: Found[] = [];
  const made: string[] = [];
  for (const path of FOLDERS.flatMap((folder) => [...files(join(ROOT, folder))])) {
    const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true);
    const name = relative(ROOT, path);
    const look = (node: ts.Node): void => {
      if (ts.isRegularExpressionLiteral(node)) {
        const end = node.text.lastIndexOf("/");
        const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
        found.push({
          where: `${name}:${line}`,
          pattern: new RegExp(node.text.slice(1, end), node.text.slice(end + 1)),
        });
      } else if ((ts.isNewExpression(node) || ts.isCallExpression(node)) && node.expression.getText() === "RegExp") {
        made.push(name);
      }
      ts.forEachChild(node, look);
    };
    look(source);
  }
  return { found, made };
}

/** What a pattern is about: its letters, a member of each of its classes, its fixed words. */
function pieces(pattern: RegExp): string[] {
  const plain = pattern.source
    .replace(/\\u\{?([0-9a-f]{4,6})\}?/gi, (_, code: string) => String.fromCodePoint(parseInt(code, 16)))
    .replace(/\\[pP]\{[^}]*\}/g, "가")
    .replace(/\(\?(?:[:=!]|<[=!]|<\w+>)|\{\d*,?\d*\}/g, " ")
    .replace(
      /\\(.)/g,
      (_, letter: string) => ({ s: " ", S: "a", w: "a", W: "-", d: "0", n: "\n", t: "\t", b: "" })[letter] ?? letter,
    );
  const words = plain.match(/[\p{L}:/]{2,}/gu) ?? [];
  return [...new Set([" ", "a", "\n", ...Array.from(plain), ...words])].slice(0, 20);
}

/** `[before, pump, after]`: the pump is what is repeated. */
function shapes(pattern: RegExp): [string, string, string][] {
  const all = pieces(pattern);
  const after = ["", "\u0001", "!\n"];
  return [
    ...all.flatMap((pump) => after.map((end): [string, string, string] => ["", pump, end])),
    ...all.flatMap((one) => all.map((two): [string, string, string] => ["", one + two, "\u0001"])),
    ...all.flatMap((head) => all.map((pump): [string, string, string] => [head, pump, "\u0001"])),
    ...all.flatMap((one) => all.map((two): [string, string, string] => ["](" + one, two, "\u0001"])),
  ];
}

function work(pattern: RegExp, text: string): number {
  const started = performance.now();
  if (pattern.global || pattern.sticky) text.replace(pattern, "");
  else pattern.test(text);
  return performance.now() - started;
}

function problem({ where, pattern }: Found): string | undefined {
  for (const [before, pump, after] of shapes(pattern)) {
    const of = (length: number): string => before + pump.repeat(Math.floor(length / pump.length)) + after;
    const figures = (length: number, took: number): string =>
      `${where} ${String(pattern)}: ${length} characters ${Math.round(took)} ms: ${JSON.stringify([before, pump, after])}`;
    const short = of(LENGTH / 4);
    if (work(pattern, short) > HOPELESS && work(pattern, short) > HOPELESS)
      return figures(LENGTH / 4, work(pattern, short));
    if (work(pattern, of(LENGTH)) <= QUICK) continue;
    const best = [Infinity, Infinity];
    for (let time = 0; time < 3; time += 1) {
      best[0] = Math.min(best[0] ?? 0, work(pattern, of(LENGTH)));
      best[1] = Math.min(best[1] ?? 0, work(pattern, of(2 * LENGTH)));
    }
    const [one = 0, two = 0] = best;
    if (one > QUICK && two > RATIO * one) return figures(2 * LENGTH, two);
  }
  return undefined;
}

test("patterns that are made later are in the table", () => {
  expect([...new Set(literals().made)].sort()).toEqual(Object.keys(MADE).sort());
});

test("every pattern takes linear time", { timeout: 120_000 }, () => {
  const { found } = literals();
  expect(found.length).toBeGreaterThan(90);
  const made = Object.entries(MADE).flatMap(([where, patterns]) => patterns.map((pattern) => ({ where, pattern })));
  expect([...found, ...made].map(problem).filter((said) => said !== undefined)).toEqual([]);
});

test.each([/\s+$/g, /(\]\()[^()\s]*(?:\([^()\s]*\))*[^()\n]*\)/g, /!?\[([^\]]*)\]\([^)]*\)/g])(
  "a pattern that is not linear is found: %s",
  (pattern) => {
    expect(problem({ where: "here", pattern })).toBeDefined();
  },
);
