/**
 * The wire as this client reads it: frames, and the shapes that the generated `protocol/generated.ts` leaves open (messages,
 * session entries, commands) because the gateway keeps them as JSON.
 *
 * Only types and constants; nothing here runs. What comes from a server is optional wherever the client can do without
 * it: an older or a foreign gateway may leave it out.
 */
import { PROTOCOL_VERSION } from "./generated.js";
import type { HandsEntry, Progress, ResultDetails, ResultImage } from "./hands.js";
import type * as wire from "./generated.js";

export type { FileEntry, Prompt, InFlight, Queued, SearchHit, SessionQueueEvent } from "./generated.js";

type Cap = (typeof wire.KNOWN_CAPS)[number];

export const PROTOCOL = PROTOCOL_VERSION;

/** What this client understands beyond the base protocol. */
export const CAPS = ["chat.append", "session.events", "session.switch"] as const satisfies Cap[];

export interface RequestFrame {
  type: "req";
  id: string;
  method: string;
  params: unknown;
}

export interface WireError {
  code: string;
  message: string;
  details?: { reason?: string; text?: string } & Record<string, unknown>;
  retryable?: boolean;
  retryAfterMs?: number;
}

export interface ResponseFrame {
  type: "res";
  id: string;
  ok: boolean;
  payload?: unknown;
  error?: WireError;
}

export interface EventFrame {
  type: "event";
  event: string;
  payload?: unknown;
  /** Rises by one per connection; absent on `connect.challenge`. */
  seq?: number;
}

export type Frame = RequestFrame | ResponseFrame | EventFrame;

export interface Hello {
  protocol: number;
  server: { version: string; host?: string; connId: string };
  /** `disabled`: what the administrator has switched off (`policy.disabled`). */
  features?: { methods?: string[]; events?: string[]; caps?: string[]; disabled?: string[] };
  snapshot?: {
    sessionDefaults?: { mainKey?: string; mainSessionKey?: string };
    setup?: Setup;
    approvals?: Approval[];
    configPath?: string;
  };
  policy?: { maxPayload?: number; tickIntervalMs?: number };
  auth?: { user?: string; via?: string; scopes?: string[] };
  /** Who is connected; `via` is `signin` for a user of a gateway with users. */
  user?: { name: string; via: string };
}

/** Which provider answers, and whether the person still has to give a key. */
export interface Setup {
  provider: string;
  needsKey: boolean;
}

/** A note of the gateway about what it did to an attachment, e.g. that it was made smaller. */
export interface MediaNote {
  code: string;
  text: string;
}

/** A piece of a message: text, thinking, a call of a tool, or something attached (then with `mediaId`). */
export interface ContentBlock {
  type: string;
  text?: string;
  thinking?: string;
  /** Of a `toolCall`. */
  id?: string;
  name?: string;
  arguments?: unknown;
  title?: string;
  /** Of a `text`: what it cites, as the provider gave it. */
  citations?: readonly Record<string, unknown>[];
  /** Of a `serverBlock`: a call of one of the provider's own tools, or its result, as the provider wrote it. */
  block?: Record<string, unknown>;
  /** Of an `image` in a tool's result: base64. */
  data?: string;
  /** Of an attachment. */
  mediaId?: string;
  mimeType?: string;
  size?: number;
  width?: number;
  height?: number;
  durationMs?: number;
  pages?: number;
  notes?: MediaNote[];
  cells?: readonly CellSource[];
}

/** A notebook, and the cell of it if it is about one, that an attachment was made from. */
export interface CellSource {
  path: string;
  id?: string;
  /** A sum of the cell's text at that time. */
  revision?: string;
}

/** What a tool is doing, or has done: `agent` events of stream `tool`, and `inFlight.tools`. */
export interface ToolStep {
  phase?: string;
  toolCallId?: string;
  name?: string;
  title?: string;
  args?: unknown;
  output?: string;
  /** What the tool shows meanwhile. */
  progress?: Progress;
  /** Facts of the tool for clients; the model is not sent them. */
  details?: ResultDetails;
  isError?: boolean;
  /** It was not allowed. */
  denied?: boolean;
  /** A person stopped it. */
  stopped?: boolean;
  startedAt?: number;
  durationMs?: number;
  /** What it showed while it ran, oldest first. */
  log?: readonly Progress[];
  images?: readonly ResultImage[];
  /** Of the provider's own tool: what it gave. */
  found?: unknown;
}

/** A command that waits for a person's decision. */
export interface Approval {
  id: string;
  request: Record<string, unknown>;
  createdAtMs: number;
  expiresAtMs: number;
}

export interface Usage {
  input?: number;
  output?: number;
  cacheRead?: number;
  cacheWrite?: number;
  totalTokens?: number;
  cost?: { total?: number };
}

/** What a provider said when it failed: facts to show, never a stack. */
export interface ProviderFault {
  kind: string;
  status?: number;
  requestId?: string;
  hint?: string;
}

export interface Message {
  id: string;
  seq: number;
  runId?: string;
  role: "user" | "assistant" | "toolResult";
  content: ContentBlock[] | string;
  timestamp: number;
  provider?: string;
  model?: string;
  usage?: Usage;
  /** Of the last message of a run that called tools: all its calls of the model together. */
  runUsage?: Usage & { steps: number };
  stopReason?: string;
  errorMessage?: string;
  error?: ProviderFault;
  command?: string;
  label?: string;
  demo?: boolean;
  /** Of a tool's result. */
  toolCallId?: string;
  toolName?: string;
  isError?: boolean;
  denied?: boolean;
  /** A person stopped it. */
  stopped?: boolean;
  durationMs?: number;
  /** Facts of the tool for clients; the model is not sent them. */
  details?: ResultDetails;
}

export interface SessionEntry {
  key: string;
  label?: string;
  displayName?: string;
  derivedTitle?: string;
  lastMessagePreview?: string;
  updatedAt: number | null;
  createdAt?: number;
  sessionId?: string;
  /** Rises when the session's active transcript changes otherwise than by growing. */
  epoch?: number;
  model?: string;
  /** The model that was chosen for this session; absent: the default one answers. */
  modelOverride?: string;
  /** The model's name for people. */
  modelName?: string;
  modelProvider?: string;
  /** Size of the model's window in tokens. */
  contextTokens?: number;
  /** Tokens the newest reply read. */
  inputTokens?: number;
  outputTokens?: number;
  totalTokens?: number;
  thinkingLevel?: string;
  messageCount?: number;
  cost?: number;
  running?: boolean;
  queued?: number;
  archivedCount?: number;
  pinned?: boolean;
  archived?: boolean;
  /** Kept in the gateway's memory only. */
  temporary?: boolean;
  systemPrompt?: string;
  temperature?: number;
  hands?: HandsEntry;
}

/** A row of the table of all sessions. */
export type SessionRow = Omit<wire.SessionRow, "entry"> & { entry: SessionEntry };

export type History = Partial<Omit<wire.ChatHistoryResult, "messages" | "inFlight">> & {
  messages: Message[];
  inFlight?: wire.InFlight & { tools?: ToolStep[]; media?: AgentEvent["data"][] };
};

export type ChatEvent = Omit<wire.ChatEvent, "message" | "error"> & { message?: Message; error?: ProviderFault };

export type AgentEvent = Omit<wire.AgentEvent, "data"> & {
  data: ToolStep & {
    attempt?: number;
    maxAttempts?: number;
    waitMs?: number;
    reason?: string;
    /** Of stream `media`. */
    fraction?: number;
    detail?: string;
  };
};

export type SessionMessageEvent = Omit<wire.SessionMessageEvent, "message"> & { message: Message };

export type SessionChangedEvent = Omit<wire.SessionChangedEvent, "entry"> & { entry?: SessionEntry };

export interface Command {
  /** Without the slash. */
  name: string;
  aliases?: string[];
  description?: string;
  args?: CommandArg[];
}

/** What may follow the name of a command. */
export interface CommandArg {
  name: string;
  required?: boolean;
  /** What it may be, if that is a list. */
  choices?: string[];
  /** What it may be is asked by `commands.complete`. */
  dynamic?: boolean;
}

export interface Transcript {
  sessionId: string;
  createdAt: number;
  archivedAt: number | null;
  messageCount: number;
  derivedTitle?: string;
  lastMessagePreview?: string;
}

type EntryResult = Omit<wire.SessionEntryResult, "entry"> & { entry: SessionEntry };

/** Results that are known better here than in the generated table. */
interface KnownResults {
  "chat.history": History;
  "sessions.page": Omit<wire.SessionsPageResult, "rows"> & { rows: SessionRow[] };
  "sessions.list": Omit<wire.SessionsListResult, "sessions"> & { sessions: SessionEntry[] };
  "sessions.new": EntryResult;
  "sessions.transcripts": { key: string; transcripts: Transcript[] };
  "commands.list": { commands: Command[]; stopWords?: string[] };
  "commands.complete": { options: { value: string; description?: string }[] };
}

export type ExportFormat = wire.SessionsExportParams["format"];

export type MethodName = keyof wire.Methods;
export type ParamsOf<M extends MethodName> = wire.Methods[M]["params"];
export type ResultOf<M extends MethodName> = M extends keyof KnownResults ? KnownResults[M] : wire.Methods[M]["result"];

/** `GET auth/session`. */
/** A refused request; `setting`, where there is one, would have let it pass. */
export interface Refused {
  reason?: string;
  origin?: string;
  host?: string;
  /** The address that the request came from, as the gateway sees it. */
  peer?: string;
  setting?: string;
}

export interface AuthSession {
  /** Why the question was not answered. */
  refused?: Refused | undefined;
  authenticated: boolean;
  user?: string;
  modes: ("token" | "password")[];
  mount: "standalone" | "jupyter";
  /** The words by which the command line is called on the gateway's machine; before a login. */
  program?: string;
  version?: string;
  locale?: string;
}
