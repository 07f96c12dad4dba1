/** Facts about a block of code in an answer: its language, its invisible characters, its difference from a cell. */

/** Other names of a language, as models write them on a fence. */
const ALIASES: Record<string, readonly string[]> = {
  python: ["py", "python3", "py3", "ipython", "ipython3"],
  javascript: ["js", "node"],
  typescript: ["ts"],
  julia: ["jl"],
  "c++": ["cpp", "cxx"],
  "c#": ["cs", "csharp"],
  "f#": ["fs", "fsharp"],
  bash: ["sh", "shell", "zsh"],
  rust: ["rs"],
  ruby: ["rb"],
  go: ["golang"],
};
const PROSE: ReadonlySet<string> = new Set(["markdown", "md"]);

export function isProse(language: string): boolean {
  return PROSE.has(language.toLowerCase());
}

/** Is it the language of the kernel? A block that does not say is not known to be. */
export function isKernels(language: string, kernels: string): boolean {
  const [asked, known] = [language.toLowerCase(), kernels.toLowerCase()];
  if (asked === "" || known === "") return false;
  const name = Object.entries(ALIASES).find(([main, others]) => main === known || others.includes(known))?.[0] ?? known;
  return asked === name || asked === known || (ALIASES[name] ?? []).includes(asked);
}

/** May it be the text of a cell of this type? */
export function fits(language: string, type: string, source: string, kernels: string): boolean {
  if (type === "markdown") return isProse(language);
  if (type === "raw") return language === "";
  return language === "" || isKernels(language, kernels) || (!isProse(language) && source.startsWith("%%"));
}

// Emoji are written with joiners and tags, and scripts of the Middle East and India with joiners between letters.
const EMOJI =
  /\p{Extended_Pictographic}[\ufe0e\ufe0f\p{Emoji_Modifier}]*(?:\u200d\p{Extended_Pictographic}[\ufe0e\ufe0f\p{Emoji_Modifier}]*)*/gu;
const FLAG = /\u{1f3f4}[\u{e0061}-\u{e007a}]{1,6}\u{e007f}/gu;
const JOINED = /(?<=[\p{L}\p{M}])[\u200c\u200d](?=[\p{L}\p{M}])/gu;
const JOINING = /[\p{Script=Arabic}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Tamil}\p{Script=Malayalam}]/u;
// eslint-disable-next-line no-control-regex
const HIDDEN = /[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Zl}\p{Zp}\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/gu;

/** Where characters stand that are not seen or turn the order of what is seen: `[from, to]`, in the order of the text. */
function hiddenAt(code: string): [number, number][] {
  const spans = (pattern: RegExp): [number, number][] =>
    [...code.matchAll(pattern)].map((found) => [found.index, found.index + found[0].length]);
  const joined = spans(JOINED).filter(([from]) => JOINING.test(code[from - 1] ?? ""));
  const meant = [...spans(FLAG), ...spans(EMOJI), ...joined];
  return spans(HIDDEN).filter(([from]) => !meant.some(([start, end]) => start <= from && from < end));
}

export function hasHidden(code: string): boolean {
  return hiddenAt(code).length > 0;
}

function replaced(code: string, by: (character: string) => string): string {
  let [made, last] = ["", 0];
  for (const [from, to] of hiddenAt(code)) {
    made += code.slice(last, from) + by(code.slice(from, to));
    last = to;
  }
  return made + code.slice(last);
}

export function withoutHidden(code: string): string {
  return replaced(code, () => "");
}

/** The lines that have such characters, each of them written as its number. */
export function hiddenShown(code: string): string {
  return code
    .split("\n")
    .flatMap((line, at) => {
      if (!hasHidden(line)) return [];
      const number = (character: string): string =>
        `⟨U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
      return [`${at + 1}: ${replaced(line, number)}`];
    })
    .join("\n");
}

export interface Line {
  mark: " " | "-" | "+";
  text: string;
}

/** Lines compared one with each other; longer texts are shown as one taken out and one put in. */
const MOST_COMPARED = 250_000;

/** The difference by lines: the longest lines in common stay. */
export function difference(old: string, text: string): Line[] {
  const [a, b] = [old.split("\n"), text.split("\n")];
  const all = (lines: string[], mark: Line["mark"]): Line[] => lines.map((each) => ({ mark, text: each }));
  if (a.length * b.length > MOST_COMPARED) return [...all(a, "-"), ...all(b, "+")];
  // length[i][j]: lines in common of what follows a[i] and b[j]
  const length = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (i: number, j: number): number => length[i]?.[j] ?? 0;
  for (const [i, row] of [...length.entries()].reverse().slice(1))
    for (let j = b.length - 1; j >= 0; j--)
      row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const made: Line[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [mine, theirs] = [a[i], b[j]];
    if (mine !== undefined && mine === theirs) {
      made.push({ mark: " ", text: mine });
      i++;
      j++;
    } else if (mine !== undefined && (theirs === undefined || at(i + 1, j) >= at(i, j + 1))) {
      made.push({ mark: "-", text: mine });
      i++;
    } else {
      made.push({ mark: "+", text: theirs ?? "" });
      j++;
    }
  }
  return made;
}
