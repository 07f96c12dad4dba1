/** What could complete the text before the cursor: commands and own prompts, arguments of a command, files of the server. */
import type { Command, CommandArg, Prompt } from "../protocol/types.js";

/** What the text before the cursor asks for. */
export type Wanted =
  | { type: "command"; name: string }
  | { type: "argument"; command: Command; text: string }
  | { type: "file"; from: number; path: string; query: string };

/** A folder that was chosen in the list: its name may have spaces. */
export interface Folder {
  from: number;
  path: string;
}

export function wantedAt(text: string, caret: number, commands: readonly Command[], folder?: Folder): Wanted | null {
  const before = text.slice(0, caret);
  const slash = /^\/([^\n]*)$/.exec(before);
  if (slash) {
    const [, name = ""] = slash;
    const [, first = "", rest] = /^(\S*)(?: ([^\n]*))?$/.exec(name) ?? [];
    const command = rest === undefined ? undefined : commandNamed(commands, first);
    if (!command) return { type: "command", name };
    return argOf(command) ? { type: "argument", command, text: rest ?? "" } : null;
  }
  if (folder && before.startsWith(`@${folder.path}/`, folder.from)) {
    const rest = before.slice(folder.from + folder.path.length + 2);
    if (!/[\n]/.test(rest)) return fileWanted(folder.from, `${folder.path}/${rest}`);
  }
  const at = /(?:^|[\s(])@([^\s@]*)$/.exec(before);
  return at ? fileWanted(before.length - (at[1] ?? "").length - 1, at[1] ?? "") : null;
}

function fileWanted(from: number, whole: string): Wanted {
  const slash = whole.lastIndexOf("/");
  return { type: "file", from, path: slash < 0 ? "" : whole.slice(0, slash), query: whole.slice(slash + 1) };
}

export function argOf(command: Command): CommandArg | undefined {
  return command.args?.[0];
}

function commandNamed(commands: readonly Command[], name: string): Command | undefined {
  const wanted = name.toLowerCase();
  return commands.find((command) => command.name === wanted || command.aliases?.includes(wanted));
}

/**
 * Commands that `typed` may become: the one of exactly that name first, then those that begin so, by their names, then
 * those with such an alias. Where nothing is typed yet, the gateway's order.
 */
export function commandsFor(commands: readonly Command[], typed: string): Command[] {
  const wanted = typed.toLowerCase();
  const rank = ({ name, aliases = [] }: Command): number => {
    if (name === wanted || aliases.includes(wanted)) return 0;
    if (name.startsWith(wanted)) return 1;
    return aliases.some((alias) => alias.startsWith(wanted)) ? 2 : 3;
  };
  const named = wanted === "" ? commands : [...commands].sort((a, b) => (a.name < b.name ? -1 : 1));
  return ranked(named, rank);
}

/** Own prompts whose name has what was typed: at its beginning, at the beginning of a word, or anywhere, in this order. */
export function promptsFor(prompts: readonly Prompt[], typed: string): Prompt[] {
  const wanted = fold(typed);
  return ranked(prompts, ({ name }) => {
    const at = fold(name).indexOf(wanted);
    if (at <= 0) return at < 0 ? 3 : 0;
    return /\s/.test(name.charAt(at - 1)) ? 1 : 2;
  });
}

/** Choices of an argument that fit, without the one that stands there already. */
export function choicesFor(choices: readonly string[], typed: string): string[] {
  const wanted = fold(typed);
  return ranked(choices, (choice) => {
    if (choice === typed) return 3;
    const at = fold(choice).indexOf(wanted);
    return at < 0 ? 3 : Math.min(at, 1);
  });
}

const fold = (text: string): string => text.normalize("NFC").toLowerCase();

/** In order of rank, else as they were; rank 3 is left out. */
function ranked<T>(list: readonly T[], rank: (each: T) => number): T[] {
  return list
    .map((each) => ({ each, rank: rank(each) }))
    .filter((one) => one.rank < 3)
    .sort((a, b) => a.rank - b.rank)
    .map((one) => one.each);
}
