/**
 * The shapes of `hands.*` and of questions for permission that the generated table leaves open: previews of what a call
 * will do, the questions of `ask_person` and of running cells, progress and facts of results.
 *
 * All of it comes from a gateway that may be older or newer, and parts of it from a model: each field may be missing.
 */

export type HandsMode = "chat" | "read" | "plan" | "ask" | "edits" | "notebook" | "unattended";
/** From the least to the most that is done without a question. */
export const HANDS_MODES = ["chat", "read", "plan", "ask", "edits", "notebook", "unattended"] as const;

/** `hands` of a session entry: the mode in force, and the most that the administrator allows. */
export interface HandsEntry {
  mode: HandsMode;
  cap: HandsMode;
  notebook?: string;
  untilMs?: number;
}

/** How far a yes goes. */
export type GrantScope = "once" | "cell" | "notebook" | "always";

/** A cell at one time: its source alone in a preview, more of it in a change. */
export interface CellState {
  source?: string;
  type?: string;
  index?: number;
}
type Side = string | CellState | null;

/** One operation on a cell: to be done (in a preview) or done (in a change). */
export interface CellOperation {
  op: string;
  cell?: string;
  index?: number;
  type?: string;
  before?: Side;
  after?: Side;
  /** Of `type`: what it becomes. */
  to?: string;
  /** Of `move` and `insert`: the cell that it comes after; `null`: to the beginning, `end`: to the end. */
  place?: string | null;
  /** Cells whose outputs no longer come from what stands above them. */
  staleAfter?: readonly string[];
}

export interface EditPreview {
  type: "edit";
  path: string;
  cells: readonly CellOperation[];
  /** The notebook is made with them. */
  creates?: boolean;
}
export interface RunPreview {
  type: "run";
  path: string;
  cells: readonly { cell?: string; index?: number; source?: string }[];
  /** The kernel is restarted first: its variables are lost. */
  restarts?: boolean;
  kernel?: { displayName?: string; name?: string; id?: string } | string | null;
}
export interface CodePreview {
  type: "code";
  code: string;
}
export interface FilePreview {
  type: "file";
  path: string;
  before?: string | null;
  after?: string | null;
}
export interface PlanPreview {
  type: "plan";
  operations: readonly (string | { title?: string; text?: string; tool?: string; preview?: Preview })[];
}
export type Preview = EditPreview | RunPreview | CodePreview | FilePreview | PlanPreview;

/** A question of `ask_person`. */
export interface Question {
  id: string;
  text: string;
  choices?: readonly string[];
  /** May the answer be something else than a choice? */
  free?: boolean;
}

/** What `request` of a question may have, all of it known only to be JSON. */
export interface HandsRequest {
  kind?: string;
  tool?: string;
  title?: string;
  command?: string;
  arguments?: unknown;
  sessionKey?: string;
  runId?: string;
  toolCallId?: string;
  path?: string;
  preview?: Preview | null;
  choices?: readonly GrantScope[];
  /** Why no mode and no permission covers it. */
  excepted?: string;
  questions?: readonly Question[];
  prompt?: string;
  password?: boolean;
}

/** How a question is answered: `exec.approval.resolve` without the id. */
export interface Answer {
  decision: "allow-once" | "allow-always" | "deny";
  reason?: string;
  scope?: GrantScope;
  pattern?: string;
  accepted?: number[];
  edited?: Record<string, string>;
  answers?: Record<string, string>;
}

/** What a running cell shows: one `progress` of a call. */
export interface Progress {
  cell?: string;
  index?: number;
  phase?: string;
  text?: string;
  status?: string;
  executionCount?: number | null;
}

/** A picture in a tool's result: base64. */
export interface ResultImage {
  mimeType: string;
  data: string;
}

/** What came of one cell that was run. */
export interface CellResult {
  cell?: string;
  index?: number;
  status?: string;
  executionCount?: number | null;
  ms?: number;
  text?: string;
}

export interface PlanStep {
  text: string;
  state?: string;
}

/** Facts of a tool's result that the model is not told: `toolResult.details`. */
export interface ResultDetails {
  changeId?: string;
  path?: string;
  cells?: number;
  results?: readonly CellResult[];
  steps?: readonly PlanStep[];
  questions?: readonly Question[];
  answers?: Readonly<Record<string, string>>;
}

export type ChangeState = "applied" | "kept" | "undone";

/** One batch of edits that was applied: one card, one undo. */
export interface Change {
  id: string;
  sessionKey: string;
  runId: string;
  toolCallId: string;
  path: string;
  createdAtMs: number;
  by: string;
  state: ChangeState;
  cells: readonly CellOperation[];
  file?: { before: string | null; after: string | null };
}

/** A cell that an undo left alone, since it was changed after the assistant; `null`: it is or was not there. */
export interface UndoProblem {
  cell: string;
  now: string | null;
  before: string | null;
  after: string | null;
}

/** A permission that was given for more than one call. */
export interface Grant {
  id: string;
  tool: string;
  scope: GrantScope;
  path?: string;
  cell?: string;
  sessionKey?: string;
  by: string;
  createdAtMs: number;
  usedAtMs: number;
}

/** The text of one side of an operation; `null`: there is or was no cell. */
export function sourceOf(side: Side | undefined): string | null {
  if (side === undefined || side === null) return null;
  return typeof side === "string" ? side : (side.source ?? "");
}

/** The type of the cell on one side, as far as it is told. */
export function typeOf(side: Side | undefined): string | undefined {
  return typeof side === "object" ? side?.type : undefined;
}

/** The place of the cell on one side, as far as it is told. */
export function indexOf(side: Side | undefined): number | undefined {
  return typeof side === "object" ? side?.index : undefined;
}
