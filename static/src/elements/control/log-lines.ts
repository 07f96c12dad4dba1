/** Lines of the gateway's log as the Logs tab keeps them: parsed once, found by level, text and id, and bounded in number. */
import { visible } from "./base/parts.js";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogLine {
  /** Rises by one with each line. */
  id: number;
  raw: string;
  time: string;
  level: LogLevel;
  subsystem: string;
  message: string;
  run?: string;
  session?: string;
}

/** More than a screen scrolls in minutes; the rest is in the file. */
export const KEPT = 5_000;
/** A line longer than this is cut where it is shown; the file has all of it. */
const LONGEST = 20_000;

const LEVELS: Record<string, LogLevel> = {
  TRACE: "debug",
  DEBUG: "debug",
  INFO: "info",
  WARN: "warn",
  WARNING: "warn",
  ERROR: "error",
  FATAL: "error",
};
const ORDER: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const RUN = /\brun (\S+) of (\S+?):(?:\s|$)/;
function text(value: unknown): string {
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
}

export function parseLine(raw: string, id: number): LogLine {
  const cut = raw.length > LONGEST ? `${raw.slice(0, LONGEST)} …` : raw;
  let parsed: Record<string, unknown> | null = null;
  try {
    const read: unknown = JSON.parse(raw);
    if (typeof read === "object") parsed = read as Record<string, unknown> | null;
  } catch {
    // A line of another program: shown as it is.
  }
  if (parsed === null) {
    return { id, raw: cut, time: "", level: "info", subsystem: "", message: visible(cut) };
  }
  const meta = (parsed._meta ?? {}) as Record<string, unknown>;
  const message = visible(text(parsed["1"] ?? parsed["0"])).slice(0, LONGEST);
  const found = RUN.exec(message);
  return {
    id,
    raw: cut,
    time: text(parsed.time ?? meta.date),
    level: LEVELS[text(meta.logLevelName).toUpperCase()] ?? "info",
    subsystem: visible(text(meta.name)),
    message,
    ...(found ? { run: found[1] ?? "", session: found[2] ?? "" } : {}),
  };
}

export interface LogFilter {
  level: LogLevel;
  text: string;
  /** A run's or a session's id, or the beginning of one. */
  id: string;
}

export function matcher({ level, text: sought, id }: LogFilter): (line: LogLine) => boolean {
  const least = ORDER.indexOf(level);
  const words = sought.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = id.trim();
  return (line) => {
    if (ORDER.indexOf(line.level) < least) return false;
    if (wanted !== "" && !line.run?.startsWith(wanted) && !line.session?.includes(wanted) && !line.raw.includes(wanted))
      return false;
    if (words.length === 0) return true;
    const whole = `${line.subsystem} ${line.message}`.toLowerCase();
    return words.every((word) => whole.includes(word));
  };
}

/** The newest lines, oldest first, and those of them that match. */
export class LogBuffer {
  lines: LogLine[] = [];
  matching: LogLine[] = [];
  /** So many fell out at the front. */
  dropped = 0;
  private nextId = 1;
  private matches: (line: LogLine) => boolean = () => true;

  constructor(private readonly kept = KEPT) {}

  add(raw: readonly string[]): void {
    const fresh = raw.slice(-this.kept).map((line) => parseLine(line, this.nextId++));
    this.dropped += raw.length - fresh.length;
    this.lines = [...this.lines, ...fresh];
    this.matching = [...this.matching, ...fresh.filter(this.matches)];
    const over = this.lines.length - this.kept;
    if (over <= 0) return;
    this.dropped += over;
    this.lines = this.lines.slice(over);
    const first = this.lines[0]?.id ?? 0;
    const from = this.matching.findIndex((line) => line.id >= first);
    this.matching = from < 0 ? [] : this.matching.slice(from);
  }

  filter(filter: LogFilter): void {
    this.matches = matcher(filter);
    this.matching = this.lines.filter(this.matches);
  }

  clear(): void {
    this.lines = [];
    this.matching = [];
    this.dropped = 0;
  }
}
