// Written by `python -m scripts.generate` from clawdbot_ext/protocol/schema/: edit that. tests/test_docs.py compares.

export const PROTOCOL_VERSION = 3;

/** Capabilities that the gateway knows. */
export const KNOWN_CAPS = ["chat.append", "session.events", "session.switch"] as const;

/**
 * `stream` `lifecycle` has `data.phase` `start`, `end`, `error` or (ours) `retry` with `attempt`, `maxAttempts`,
 * `waitMs`, `reason`.
 */
export interface AgentEvent {
  runId: string;
  stream: string;
  data: Record<string, unknown>;
  sessionKey: string;
  seq: number;
  ts: number;
}

export interface ChallengeEvent {
  nonce: string;
  ts: number;
}

export interface ChatAbortParams {
  /** A session key; `main` is an alias. */
  sessionKey: string;
  runId?: string | null;
}

export interface ChatAbortResult {
  ok: boolean;
  aborted: boolean;
  runIds: string[];
}

/**
 * A run's progress. A delta has `message` with the whole text so far, or with the cap `chat.append` `offset` and
 * `text` of `part`. `final`, `aborted` and `error` end the run; `message` is what was stored, if anything.
 */
export interface ChatEvent {
  runId: string;
  sessionKey: string;
  seq: number;
  state: "aborted" | "delta" | "error" | "final";
  message?: unknown;
  /** Ours: where `text` goes, in UTF-16 code units. */
  offset?: number;
  text?: string;
  part?: "text" | "thinking";
  errorMessage?: string;
  /** Ours: `{kind, status?, requestId?, hint}` of a provider's error. */
  error?: Record<string, unknown>;
  stopReason?: string;
}

export interface ChatHistoryParams {
  sessionKey?: string | null;
  /** Ours: any transcript, archived ones too. */
  sessionId?: string | null;
  limit?: number | null;
  /** Ours: the page before this sequence number. */
  beforeSeq?: number | null;
}

export interface ChatHistoryResult {
  sessionKey: string;
  sessionId: string;
  messages: unknown[];
  thinkingLevel: string;
  /** Ours: rises when the session's current transcript changes. */
  epoch: number;
  /** Ours: the newest sequence number of the transcript. */
  seq: number;
  /** Ours: there are older messages (ask with `beforeSeq`). */
  hasMore: boolean;
  inFlight?: InFlight;
  queued?: Queued[];
}

export interface ChatInjectParams {
  /** A session key; `main` is an alias. */
  sessionKey: string;
  message: string;
  label?: string | null;
}

export interface ChatInjectResult {
  ok: boolean;
  messageId: string;
}

export interface ChatSendParams {
  /** A session key; `main` is an alias. */
  sessionKey: string;
  message: string;
  idempotencyKey: string;
  thinking?: string | null;
  deliver?: boolean | null;
  attachments?: Record<string, unknown>[] | null;
  timeoutMs?: number | null;
}

export interface ChatSendResult {
  runId?: string;
  /** `started`; on a resend `in_flight` while it runs, else `ok`, `error` or `aborted`. */
  status?: string;
  /** Ours: how many sends of the session go first; absent when the run started at once. */
  queuePosition?: number;
  summary?: string;
  /** Ours, with the cap `session.switch`: the key to show next (the answer to `/new`). */
  switchTo?: string;
  ok?: boolean;
  aborted?: boolean;
  runIds?: string[];
}

export interface ClientInfo {
  id: string;
  version: string;
  platform: string;
  mode: string;
  displayName?: string | null;
  instanceId?: string | null;
  deviceFamily?: string | null;
  modelIdentifier?: string | null;
}

export interface CommandsListParams {
  sessionKey?: string | null;
}

export interface CommandsListResult {
  commands: Record<string, unknown>[];
}

export type ConfigGetParams = Record<string, never>;

export interface ConfigPatchParams {
  /** JSON5 of an object that is merged into the file; `null` removes a key. */
  raw: string;
  baseHash?: string | null;
  sessionKey?: string | null;
  note?: string | null;
  restartDelayMs?: number | null;
}

export interface ConfigSetParams {
  raw: string;
  baseHash?: string | null;
}

export interface ConnectAuth {
  token?: string | null;
  password?: string | null;
}

export interface ConnectParams {
  minProtocol: number;
  maxProtocol: number;
  client: ClientInfo;
  caps?: string[];
  role?: string | null;
  scopes?: string[] | null;
  auth?: ConnectAuth | null;
  device?: DeviceIdentity | null;
  locale?: string | null;
  userAgent?: string | null;
}

export interface DeviceIdentity {
  id: string;
  publicKey: string;
  signature: string;
  signedAt: number;
  nonce?: string | null;
}

export interface GatewayStopParams {
  restart?: boolean | null;
  reason?: string | null;
}

/** Ours: a reply that is being written, as far as it is. */
export interface InFlight {
  runId: string;
  text: string;
  thinking: string;
  startedAt: number;
}

export interface LinkCreateResult {
  code: string;
  /** Relative to the gateway's base URL, with the code in it. */
  path: string;
  expiresAt: number;
}

export interface ModelsListResult {
  models: Record<string, unknown>[];
}

/** Nothing is read. */
export type NoParams = Record<string, never>;

export interface OkResult {
  ok: boolean;
}

/** Ours: a send that waits its turn. */
export interface Queued {
  runId: string;
  text: string;
  createdAt: number;
}

/** `entry` is as in `sessions.list`; absent when `reason` is `deleted`. */
export interface SessionChangedEvent {
  key: string;
  reason: "cleared" | "created" | "deleted" | "reset" | "restored" | "updated";
  entry?: Record<string, unknown>;
}

export interface SessionEntryResult {
  ok: boolean;
  key: string;
  entry: Record<string, unknown>;
}

export interface SessionIdParams {
  sessionId: string;
}

export interface SessionKeyParams {
  /** A session key; `main` is an alias. */
  key: string;
}

/** A message was stored in a session's current transcript. */
export interface SessionMessageEvent {
  sessionKey: string;
  sessionId: string;
  epoch: number;
  seq: number;
  message: unknown;
}

export interface SessionQueueEvent {
  sessionKey: string;
  queued: Queued[];
}

export interface SessionsClearResult {
  ok: boolean;
  key: string;
  entry: Record<string, unknown>;
  undoUntil: number;
}

export interface SessionsDeleteParams {
  /** A session key; `main` is an alias. */
  key: string;
  deleteTranscript?: boolean | null;
}

export interface SessionsDeleteResult {
  ok: boolean;
  key: string;
  deleted: boolean;
  archived: string[];
}

export interface SessionsListParams {
  limit?: number | null;
  activeMinutes?: number | null;
  includeGlobal?: boolean | null;
  includeUnknown?: boolean | null;
  includeDerivedTitles?: boolean | null;
  includeLastMessage?: boolean | null;
  label?: string | null;
  spawnedBy?: string | null;
  agentId?: string | null;
  search?: string | null;
}

export interface SessionsListResult {
  ts: number;
  path: string;
  count: number;
  defaults: Record<string, unknown>;
  sessions: Record<string, unknown>[];
}

export interface SessionsNewParams {
  key?: string | null;
  label?: string | null;
  model?: string | null;
}

export interface SessionsPatchParams {
  /** A session key; `main` is an alias. */
  key: string;
  label?: string | null;
  thinkingLevel?: string | null;
  verboseLevel?: string | null;
  reasoningLevel?: string | null;
  responseUsage?: string | null;
  elevatedLevel?: string | null;
  model?: string | null;
  sendPolicy?: "allow" | "deny" | null;
  groupActivation?: "always" | "mention" | null;
}

export interface SessionsPreviewParams {
  keys: string[];
  limit?: number | null;
  maxChars?: number | null;
}

export interface SessionsPreviewResult {
  ts: number;
  previews: Record<string, unknown>[];
}

export interface SessionsResolveParams {
  key?: string | null;
  sessionId?: string | null;
  label?: string | null;
  agentId?: string | null;
  includeGlobal?: boolean | null;
  includeUnknown?: boolean | null;
}

export interface SessionsResolveResult {
  ok: boolean;
  key: string;
}

export interface SessionsTranscriptsResult {
  key: string;
  transcripts: Record<string, unknown>[];
}

export interface ShutdownEvent {
  reason: string;
  restartExpectedMs?: number;
}

export interface TickEvent {
  ts: number;
}

/** Parameters and result of every method. */
export interface Methods {
  /** Send a message; acknowledged once it is stored, answered by `chat` events. */
  "chat.send": { params: ChatSendParams; result: ChatSendResult };
  /** The newest messages of a session, oldest first. */
  "chat.history": { params: ChatHistoryParams; result: ChatHistoryResult };
  /** Stop a run, or all runs and queued sends of a session; the text so far is kept. */
  "chat.abort": { params: ChatAbortParams; result: ChatAbortResult };
  /** Append an assistant message without a model call. */
  "chat.inject": { params: ChatInjectParams; result: ChatInjectResult };
  /** Sessions, newest first. */
  "sessions.list": { params: SessionsListParams; result: SessionsListResult };
  /** Open a new session key. */
  "sessions.new": { params: SessionsNewParams; result: SessionEntryResult };
  /** Change a session's settings; `null` returns one to its default. */
  "sessions.patch": { params: SessionsPatchParams; result: SessionEntryResult };
  /** Start a new transcript under the same key; the old one is archived and restorable. */
  "sessions.reset": { params: SessionKeyParams; result: SessionEntryResult };
  /** Empty the transcript; can be undone for 10 s. */
  "sessions.clear": { params: SessionKeyParams; result: SessionsClearResult };
  /** Take the last `sessions.clear` back. */
  "sessions.undo": { params: SessionKeyParams; result: SessionEntryResult };
  /** Make an archived transcript the current one of its session. */
  "sessions.restore": { params: SessionIdParams; result: SessionEntryResult };
  /** A session's transcripts, archived ones too. */
  "sessions.transcripts": { params: SessionKeyParams; result: SessionsTranscriptsResult };
  /** Remove a session; the main one cannot be removed. */
  "sessions.delete": { params: SessionsDeleteParams; result: SessionsDeleteResult };
  /** Find a session key by key, session id or label. */
  "sessions.resolve": { params: SessionsResolveParams; result: SessionsResolveResult };
  /** The last few messages of several sessions, shortened. */
  "sessions.preview": { params: SessionsPreviewParams; result: SessionsPreviewResult };
  /** The models that can be chosen. */
  "models.list": { params: NoParams; result: ModelsListResult };
  /** The slash commands, with descriptions in the client's language. */
  "commands.list": { params: CommandsListParams; result: CommandsListResult };
  /** Is the gateway well? */
  "health": { params: NoParams; result: Record<string, unknown> };
  /** Sessions, model and provider at a glance. */
  "status": { params: NoParams; result: Record<string, unknown> };
  /** The configuration, secrets redacted. */
  "config.get": { params: ConfigGetParams; result: Record<string, unknown> };
  /** Replace the configuration file. */
  "config.set": { params: ConfigSetParams; result: Record<string, unknown> };
  /** Merge into the configuration file. */
  "config.patch": { params: ConfigPatchParams; result: Record<string, unknown> };
  /** JSON Schema and UI hints of the configuration. */
  "config.schema": { params: NoParams; result: Record<string, unknown> };
  /** A login code for one use within 60 s (`clawdbot web`). */
  "auth.link": { params: NoParams; result: LinkCreateResult };
  /** Stop or restart this gateway. */
  "gateway.stop": { params: GatewayStopParams; result: OkResult };
}

/** Payload of every event. */
export interface Events {
  /** The first frame of a connection. */
  "connect.challenge": ChallengeEvent;
  /** The gateway lives; at least every `policy.tickIntervalMs`. */
  "tick": TickEvent;
  /** The gateway stops; the socket closes with 1012. */
  "shutdown": ShutdownEvent;
  /** Progress and end of a run. */
  "chat": ChatEvent;
  /** What the agent does in a run. */
  "agent": AgentEvent;
  /** A message was stored. */
  "session.message": SessionMessageEvent;
  /** A session was made, changed or removed. */
  "session.changed": SessionChangedEvent;
  /** The sends that wait in a session. */
  "session.queue": SessionQueueEvent;
  /** The same as the method `health`, after `hello-ok`. */
  "health": Record<string, unknown>;
  /** Who is connected. */
  "presence": Record<string, unknown>;
}
