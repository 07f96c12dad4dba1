/** Which messages are commands: the gateway answers those itself, and nothing goes along with them. */
import type { Command } from "../protocol/types.js";

/** Is this message, as a whole, one that the gateway answers itself? Its own rule is `split_command`. */
export function isCommand(message: string, commands: readonly Command[], stopWords: readonly string[]): boolean {
  if (stopWords.includes(message.trim().toLowerCase())) return true;
  const [, name] = /^\/([a-z][a-z-]*)(?:[ \t:]|\s*$)/i.exec(message) ?? [];
  if (name === undefined) return false;
  const known = commands.some((each) => each.name === name.toLowerCase() || each.aliases?.includes(name.toLowerCase()));
  return known || !message.trim().includes("\n");
}

/** What is sent of what was typed: without the space around, but for one before a slash, which makes it no command. */
export function messageOf(typed: string): string {
  const text = typed.trim().normalize("NFC");
  return /^\s+\//.test(typed) ? ` ${text}` : text;
}
