// Written by `python -m scripts.generate` from clawdbot_ext/protocol/schema/: edit that. tests/test_docs.py compares.

export const PROTOCOL_VERSION = 3;

/** Capabilities that the gateway knows. */
export const KNOWN_CAPS = ["chat.append", "session.events", "session.switch", "sessions.subscribe"] as const;

/**
 * `stream` `lifecycle` has `data.phase` `start`, `end`, `error` or (ours) `retry` with `attempt`, `maxAttempts`,
 * `waitMs`, `reason`. `stream` `tool` has `data.phase` `start`, `update` or `result`, `toolCallId`, `name` and, of
 * ours, `title`, `args`, `output`, `isError`, `denied` (not allowed), `stopped` (by a person), `startedAt`,
 * `durationMs`, `progress` (of `update`: what the tool shows meanwhile) and `details` (facts for clients that the
 * model is not sent). A reply that calls tools is stored in steps, each told by `session.message`: the assistant's
 * message so far (`stopReason` `toolUse`, blocks `{type: "toolCall", id, name, arguments, title?}`), then a message of
 * the role `toolResult` for each call, with `content` of text and `{type: "image", mimeType, data}` blocks, and
 * `details`. After the first of them the run's text begins anew, at offset 0.
 */
export interface AgentEvent {
  runId: string;
  stream: string;
  data: Record<string, unknown>;
  sessionKey: string;
  seq: number;
  ts: number;
}

export interface AgentIdentityParams {
  agentId?: string | null;
  sessionKey?: string | null;
}

export interface AgentIdentityResult {
  agentId: string;
  name: string;
  /** One character that stands for the agent. */
  avatar: string;
}

export interface AgentParams {
  message: string;
  idempotencyKey: string;
  agentId?: string | null;
  sessionKey?: string | null;
  /**
   * Used when there is no `sessionKey`: a transcript's id, else the name of a session. Without either the main session
   * is meant.
   */
  sessionId?: string | null;
  thinking?: string | null;
  /** Seconds, a day at most; 0 stands for the configured limit. */
  timeout?: number | null;
  /** Added to the system prompt of this turn. */
  extraSystemPrompt?: string | null;
  attachments?: Attachment[] | null;
  /** Read and without effect: a reply goes to the session's watchers and nowhere else. */
  deliver?: boolean | null;
}

/** Sent twice under one request id: `accepted` at once, then how the run ended. */
export interface AgentResult {
  runId: string;
  /** `accepted`, then `ok`, `error` or `aborted`. */
  status: string;
  acceptedAt?: number;
  summary?: string;
  /** `payloads` with the texts, `meta` with duration, session, model and usage. */
  result?: Record<string, unknown>;
}

export interface AgentWaitParams {
  runId: string;
  /** 30,000 if absent. */
  timeoutMs?: number | null;
}

export interface AgentWaitResult {
  runId: string;
  /** `ok`, `error`, or `timeout` when the run goes on (or is not known). */
  status: string;
  startedAt?: number;
  endedAt?: number;
  error?: string;
}

export interface AgentsListResult {
  defaultId: string;
  mainKey: string;
  scope: string;
  agents: Record<string, unknown>[];
}

export interface Approval {
  id: string;
  request: Record<string, unknown>;
  createdAtMs: number;
  expiresAtMs: number;
}

export interface ApprovalHistoryParams {
  /** 50 if absent. */
  limit?: number | null;
  /** Only those last written before this time: `next` of the answer before. */
  before?: number | null;
}

export interface ApprovalHistoryResult {
  /** The newest first. */
  approvals: DecidedApproval[];
  /** `before` of the next page; absent: there is none. */
  next?: number;
}

export interface ApprovalListResult {
  approvals: Approval[];
}

export interface ApprovalRequestParams {
  command: string;
  id?: string | null;
  cwd?: string | null;
  host?: string | null;
  security?: string | null;
  ask?: string | null;
  agentId?: string | null;
  resolvedPath?: string | null;
  sessionKey?: string | null;
  /** 120,000 if absent. */
  timeoutMs?: number | null;
}

/**
 * `request` has `command`. Of a tool of ours also `kind` (`tool`, `question`, `input`), `tool`, `title`, `arguments`,
 * `sessionKey`, `runId`, `toolCallId`, `path`, `digest`, `preview` and `choices` (see `GrantScope`); of a `question`
 * `questions` (`id`, `text`, `choices`, `free`), of an `input` `prompt` and `password`.
 */
export interface ApprovalRequestedEvent {
  id: string;
  request: Record<string, unknown>;
  createdAtMs: number;
  /** 0: it waits as long as it takes. Clients without our caps are told a time in ten years instead. */
  expiresAtMs: number;
}

/** All but `id` and `decision` is ours, and for questions of our own tools. */
export interface ApprovalResolveParams {
  id: string;
  decision: "allow-always" | "allow-once" | "deny";
  /** Of a `deny`, or of a yes to a part: told to the model. */
  reason?: string | null;
  /** How far the yes goes; one of the question's `choices`. `allow-always` without it: the widest of them. */
  scope?: "always" | "cell" | "notebook" | "once" | null;
  /** Of the scope `always`: the paths that it is for, with `*` and `?`. */
  pattern?: string | null;
  /** The indexes of `preview.cells` that may be done; all if absent. */
  accepted?: number[] | null;
  /** Index of `preview.cells` (`0` for a file or code) → the source that takes the place of the proposed one. */
  edited?: Record<string, unknown> | null;
  /** Of a question to the person: its id → the answer. Of an `input`: `value`. */
  answers?: Record<string, unknown> | null;
}

export interface ApprovalResolvedEvent {
  id: string;
  decision: string;
  ts: number;
  resolvedBy?: string;
  /** Ours: `expired` or `withdrawn` without a decision; `decision` is `deny` then. Else what the person wrote. */
  reason?: string;
  /** Ours: how far the yes goes. */
  scope?: "always" | "cell" | "notebook" | "once";
}

/** `decision` is `null` when no decision was made in time, which is a no. */
export interface ApprovalResult {
  id: string;
  decision: string | null;
  createdAtMs: number;
  expiresAtMs: number;
}

/** The rules by which commands are allowed without asking. */
export interface ApprovalsFileResult {
  path: string;
  exists: boolean;
  hash: string;
  file: Record<string, unknown>;
}

export interface ApprovalsSetParams {
  file: Record<string, unknown>;
  /** The `hash` of `exec.approvals.get`; needed once there are rules. */
  baseHash?: string | null;
}

/** One file of a message: exactly one of `mediaId`, `content` and `path` says which. */
export interface Attachment {
  /** Ours: a file that was uploaded before. */
  mediaId?: string | null;
  /** The bytes in base64, with or without a `data:` prefix. */
  content?: string | null;
  /** Ours: a file of the Jupyter server, as its contents API names it. */
  path?: string | null;
  /** The type claimed by the sender; the bytes decide. */
  mimeType?: string | null;
  fileName?: string | null;
  /** Read and without effect. */
  type?: string | null;
  /** Ours: where in which notebook it is from. Kept with the message, so that an answer finds its cell again. */
  cells?: CellSource[] | null;
}

export interface BackupResult {
  /** Of the copy, on the gateway's machine. */
  path: string;
  bytes: number;
  at: number;
}

/**
 * One operation of a batch. `before` and `after` have `source`, `type` and `index`; a deleted cell's `before` also
 * `metadata`, `outputs` and `executionCount`. `null`: the cell was not there.
 */
export interface CellChange {
  op: string;
  cell: string;
  index: number;
  type: string;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
}

/** A notebook that an attachment was made from, and the cell of it if it is about one. */
export interface CellSource {
  /** Of the notebook, as the contents API names it. */
  path: string;
  /** The cell's id (nbformat 4.5). */
  id?: string | null;
  /** A sum of the cell's text at that time, as the client takes it. */
  revision?: string | null;
}

export interface ChallengeEvent {
  nonce: string;
  ts: number;
}

/** One batch that was applied: one card, one undo. */
export interface Change {
  id: string;
  sessionKey: string;
  runId: string;
  toolCallId: string;
  path: string;
  createdAtMs: number;
  /** The person who allowed it, or the mode or permission that did. */
  by: string;
  state: "applied" | "kept" | "undone";
  cells: CellChange[];
  file?: FileChange;
  /** Whether it made the notebook; its undo deletes it. */
  created?: boolean;
  /** `instanceId` of the node of the Jupyter server that has the document. */
  server?: string;
}

export interface ChangeIdParams {
  id: string;
}

export interface ChangesChangedEvent {
  change: Change;
}

export interface ChangesListParams {
  sessionKey?: string | null;
  path?: string | null;
  /** 50 if absent; newest first. */
  limit?: number | null;
}

export interface ChangesListResult {
  changes: Change[];
}

export interface ChangesUndoParams {
  id: string;
  /** Also where the cell was changed since. */
  force?: boolean | null;
  /** Only these cells; all if absent. */
  cells?: string[] | null;
}

export interface ChangesUndoResult {
  state: "applied" | "kept" | "undone";
  problems: UndoProblem[];
}

export interface ChannelsStatusParams {
  probe?: boolean | null;
  timeoutMs?: number | null;
}

export interface ChannelsStatusResult {
  ts: number;
  channelOrder: string[];
  channelLabels: Record<string, unknown>;
  channelDetailLabels: Record<string, unknown>;
  channelSystemImages: Record<string, unknown>;
  channelMeta: Record<string, unknown>[];
  channels: Record<string, unknown>;
  channelAccounts: Record<string, unknown>;
  channelDefaultAccountId: Record<string, unknown>;
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

export interface ChatBranchResult {
  ok: boolean;
  epoch: number;
}

export interface ChatContinueParams {
  /** A session key; `main` is an alias. */
  sessionKey: string;
  /** A reply that was stopped or cut; what comes of this is an alternative to it that begins with its text. */
  messageId: string;
  idempotencyKey: string;
}

export interface ChatDeleteResult {
  ok: boolean;
  epoch: number;
  undoUntil: number;
}

export interface ChatEditParams {
  /** A session key; `main` is an alias. */
  sessionKey: string;
  /** A user message; the one sent is an alternative to it. */
  messageId: string;
  message: string;
  idempotencyKey: string;
  attachments?: Attachment[] | null;
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
  /** Ours: the run that has read the message of this one (`when: "now"`) and answers it too. */
  foldedInto?: string;
}

export interface ChatHistoryParams {
  sessionKey?: string | null;
  /** Ours: any transcript, archived ones too. */
  sessionId?: string | null;
  limit?: number | null;
  /** Ours: the page before this sequence number. */
  beforeSeq?: number | null;
  epoch?: number | null;
  /** Ours, both or none: what the client has already, so that it is given only what came after (`recovered`). */
  sinceSeq?: number | null;
}

export interface ChatHistoryResult {
  sessionKey: string;
  sessionId: string;
  messages: unknown[];
  thinkingLevel: string;
  /** Ours: rises when what is shown changes otherwise than by a message at its end. */
  epoch: number;
  /** Ours: the newest sequence number of the transcript. */
  seq: number;
  /** Ours: there are older messages (ask with `beforeSeq`). */
  hasMore: boolean;
  inFlight?: InFlight;
  queued?: Queued[];
  /** Ours: of the messages given, those that have alternatives. */
  branches?: Siblings[];
  /**
   * Ours, when `sinceSeq` was given. True: `messages` are all that came after it, and the client has the rest. False:
   * this is the newest page, which replaces what the client has.
   */
  recovered?: boolean;
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

export interface ChatMessageParams {
  /** A session key; `main` is an alias. */
  sessionKey: string;
  messageId: string;
}

export interface ChatQueueEditParams {
  /** A session key; `main` is an alias. */
  sessionKey: string;
  runId: string;
  /** The new text; without it, the text stays. */
  message?: string | null;
  /** As that of `chat.send`. */
  when?: "next" | "now" | null;
}

export interface ChatRegenerateParams {
  /** A session key; `main` is an alias. */
  sessionKey: string;
  /** A reply; what comes of this is an alternative to it. */
  messageId: string;
  idempotencyKey: string;
  /** For this reply alone. */
  model?: string | null;
  thinking?: string | null;
}

export interface ChatSendParams {
  /** A session key; `main` is an alias. */
  sessionKey: string;
  message: string;
  idempotencyKey: string;
  thinking?: string | null;
  deliver?: boolean | null;
  attachments?: Attachment[] | null;
  timeoutMs?: number | null;
  /**
   * Ours: when a reply is being written, `now` lets it read the message before its next step, if it has one; its own
   * `chat` `final` then has `foldedInto`. Else, and with `next`, the message waits its turn.
   */
  when?: "next" | "now" | null;
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
  /** Ours: the names of what was attached to a command, which takes nothing along. */
  leftOut?: string[];
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
  /** Of a page's node: `instanceId` of the node of the Jupyter server that the page came from. */
  serverId?: string | null;
}

export interface ClientsListResult {
  /** The newest first. */
  clients: ConnectedClient[];
}

export interface CommandsCompleteParams {
  /** Without the slash. */
  command: string;
  /** The text behind the command so far. */
  text?: string;
  sessionKey?: string | null;
}

export interface CommandsCompleteResult {
  /** `value` and, where there is more to say, `description`; the best first. */
  options: Record<string, unknown>[];
}

export interface CommandsListParams {
  sessionKey?: string | null;
}

export interface CommandsListResult {
  /**
   * `name`, `aliases`, `description`, and `args` with `name`, `required` and either `choices` or `dynamic` (ask
   * `commands.complete`). `argument` and `choices` are those of the first argument.
   */
  commands: Record<string, unknown>[];
  /** Ours: a message that is only one of these is `/stop`. */
  stopWords?: string[];
}

/** As `config.set`; settings take effect at once, so nothing restarts. */
export interface ConfigApplyParams {
  raw: string;
  baseHash?: string | null;
  sessionKey?: string | null;
  note?: string | null;
  restartDelayMs?: number | null;
}

/** No values: they are read with `config.get`. */
export interface ConfigChangedEvent {
  /** The settings with another value in force than before; none: only the file is another, or it became invalid. */
  names: string[];
  /** The settings whose present value takes effect at the next start alone. */
  restart: string[];
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
  /** Of a node: what `node.invoke` may ask of it. */
  commands?: string[];
  /** Of a node: what its operating system lets it do. */
  permissions?: Record<string, unknown> | null;
  pathEnv?: string | null;
}

/** One socket. */
export interface ConnectedClient {
  connId: string;
  clientId: string;
  displayName: string;
  version: string;
  platform: string;
  mode: string;
  role: string;
  scopes: string[];
  /** Address of the client, as the rate limits see it: behind a proxy that is not trusted, the proxy's. */
  address: string;
  user: string;
  /** How it logged in. */
  via: string;
  connectedAtMs: number;
  /** The connection that asks. */
  isSelf: boolean;
  deviceId?: string;
  deviceFamily?: string;
  modelIdentifier?: string;
}

export interface CronListParams {
  includeDisabled?: boolean | null;
}

export interface CronListResult {
  jobs: Record<string, unknown>[];
}

export interface CronStatusResult {
  enabled: boolean;
  storePath: string;
  jobs: number;
  nextWakeAtMs: number | null;
}

/** A question that is over. What would have been done is told by its title alone. */
export interface DecidedApproval {
  id: string;
  /** `tool`, `question`, `input`, or `command` of a program that asked over the wire. */
  kind: string;
  /** The tool's words, or the command. */
  title: string;
  /** `null`: none was made; see `reason`. */
  decision: "allow-always" | "allow-once" | "deny" | null;
  createdAtMs: number;
  /** Of the decision, or of the end without one. */
  resolvedAtMs: number;
  /** The person, or `mode:…`, `grant:…` or `plan:…` that made the question unnecessary; empty: none. */
  resolvedBy: string;
  tool?: string;
  path?: string;
  sessionKey?: string;
  scope?: "always" | "cell" | "notebook" | "once";
  /** `expired`, `withdrawn`, or what the person wrote. */
  reason?: string;
  /** The time at which the yes was used. */
  usedAtMs?: number;
}

export interface DeviceChangedEvent {
  deviceId: string;
  change: "removed" | "renamed" | "revoked" | "rotated";
}

export interface DeviceIdentity {
  id: string;
  publicKey: string;
  signature: string;
  signedAt: number;
  nonce?: string | null;
}

export interface DevicePairApproveResult {
  requestId: string;
  device: PairedDevice;
}

export interface DevicePairListResult {
  pending: PairingRequest[];
  paired: PairedDevice[];
}

export interface DevicePairRejectResult {
  requestId: string;
  deviceId: string;
}

export interface DeviceRenameParams {
  deviceId: string;
  displayName: string;
}

export interface DeviceRenameResult {
  deviceId: string;
  displayName: string;
}

export interface DeviceTokenParams {
  deviceId: string;
  role: string;
}

export interface DeviceTokenRevokeResult {
  deviceId: string;
  role: string;
  revokedAtMs: number;
}

export interface DeviceTokenRotateParams {
  deviceId: string;
  role: string;
  /** The scopes from now on, at most those approved; absent: as they are. */
  scopes?: string[] | null;
}

export interface DeviceTokenRotateResult {
  deviceId: string;
  role: string;
  /** Shown this once; the old one is void. */
  token: string;
  scopes: string[];
  rotatedAtMs: number;
}

/** A file that was written: its text before (`null`: it was not there) and after. */
export interface FileChange {
  before: string | null;
  after: string | null;
  /** Of the file as it was left. */
  hash?: string;
}

export interface FileEntry {
  /** From the server's root. */
  path: string;
  name: string;
  type: "directory" | "file" | "notebook";
  /** Bytes. */
  size?: number;
  modified?: number;
}

export interface FilesListParams {
  /** A directory, from the server's root; absent: the root. Separated by `/`. */
  path?: string | null;
  /** Names that contain this, looked for in the directory and below. */
  query?: string | null;
  /** 200 if absent; 50 with a query. */
  limit?: number | null;
}

export interface FilesListResult {
  path: string;
  /** Directories first, then by name; the best match first with a query. What Jupyter hides is left out. */
  entries: FileEntry[];
  /** There is more than `limit`, or more than is looked through. */
  truncated: boolean;
}

export interface GatewayChecksResult {
  at: number;
  /** `source` (`doctor` or `audit`), `check`, `level` (`problem`, `hint` or `ok`), `text`, and `fix`: what to do. */
  findings: Record<string, unknown>[];
}

export interface GatewayInfoResult {
  /** The page's address on this machine; absent while none is published. */
  url?: string;
  /** `standalone`, or `jupyter` for a mount in another Jupyter server. */
  host?: string;
  tailscaleUrl?: string;
  pid?: number;
  /** `gateway.bind`. */
  bind?: string;
  /** `gateway.auth.mode`; a mount has its server's login. */
  authMode?: string;
  tls?: boolean;
  /** `gateway.tailscale.mode`. */
  tailscale?: string;
  python?: string;
  platform?: string;
  /** The delay of the event loop, as last taken (once a second). */
  loopLagMs?: number;
  /** The bound that 99 of 100 delays since the start stay below. */
  loopLagP99Ms?: number;
  /** The running replies: `runId`, `sessionKey`, `startedAt`. */
  active?: Record<string, unknown>[];
  /** The provider's last failure since the start: `at`, `kind`, `message`, `provider`, `model`, `sessionKey`. */
  lastFailure?: Record<string, unknown>;
}

export interface GatewayStopParams {
  restart?: boolean | null;
  reason?: string | null;
}

/** A permission that a person gave for more than one call. */
export interface Grant {
  id: string;
  tool: string;
  scope: "always" | "cell" | "notebook" | "once";
  by: string;
  createdAtMs: number;
  /** 0: not used yet. */
  usedAtMs: number;
  /** The notebook or file; of `always` a pattern with `*` and `?`. */
  path?: string;
  cell?: string;
  /** The session that it is for; absent: every one. */
  sessionKey?: string;
}

export interface GrantIdParams {
  id: string;
}

export interface GrantsChangedEvent {
  grants: Grant[];
}

export interface GrantsListResult {
  grants: Grant[];
}

export interface HeartbeatsParams {
  enabled: boolean;
}

export interface HeartbeatsResult {
  ok: boolean;
  /** Always false: this gateway has no heartbeats. */
  enabled: boolean;
}

/**
 * Ours: a reply that is being written, as far as it is. `text` includes what is kept of a reply that it goes on from,
 * and offsets of deltas count from the beginning of it all.
 */
export interface InFlight {
  runId: string;
  text: string;
  thinking: string;
  startedAt: number;
  /** Tool calls under way, as the newest event of the stream `tool` told of each. */
  tools?: Record<string, unknown>[];
  /** Attachments that are being read for the model, as the newest event of the stream `media` told of each. */
  media?: Record<string, unknown>[];
}

/** A spending limit; US dollars or tokens. */
export interface LimitLeft {
  limit: "limits.dailyTokens" | "limits.monthlyCost" | "limits.monthlyTokens";
  max: number;
  used: number;
  left: number;
  resetsAt: number;
  /** The same time for people, with the time zone. */
  begins: string;
  /** A line about it, in the client's language. */
  text: string;
}

export interface LinkCreateResult {
  code: string;
  /** Relative to the gateway's base URL, with the code in it. */
  path: string;
  expiresAt: number;
}

export interface LogOutResult {
  ok: boolean;
  /** The number of sockets closed by it. */
  closed: number;
}

export interface LogsTailParams {
  /** The end of the last answer; absent: the end of the file. */
  cursor?: number | null;
  limit?: number | null;
  maxBytes?: number | null;
}

export interface LogsTailResult {
  file: string;
  cursor: number;
  size: number;
  /**
   * JSON objects: `time`, `_meta` with `logLevelName` and `name`, the subsystem under `"0"`, the message under `"1"`.
   */
  lines: string[];
  /** Lines in front were left out. */
  truncated: boolean;
  /** The cursor was of a file that was rotated away: read from the end of the new one. */
  reset: boolean;
}

export interface MediaLimitsResult {
  /** By kind: `image`, `document`, `audio`, `video`, `text`. A notebook counts as a document. */
  maxBytes: Record<string, unknown>;
  /** Attachments of one message. */
  maxCount: number;
  /** Of all attachments of one message. */
  maxTotalBytes: number;
  /** File name endings with their dot, for a file chooser. */
  accept: string[];
  /** Something here turns speech into text. */
  hear: boolean;
  /** The model that answers by default takes images. */
  see: boolean;
}

export interface MediaSawParams {
  mediaId: string;
  /** Read and without effect: what the model was given of a file is kept with the file. */
  sessionKey?: string | null;
  messageId?: string | null;
}

export interface MediaSawResult {
  mediaId: string;
  /**
   * `{type:"text", text, truncated?}`, `{type:"image", mediaId, width, height, label?}` or `{type:"document", pages,
   * first}`, in the order in which the model got them.
   */
  parts: Record<string, unknown>[];
  /** `{code, text}`: what was changed or left out. */
  notes: Record<string, unknown>[];
  /** The program or service that transcribed the speech. */
  transcriber?: string;
}

export interface ModelsListResult {
  models: Record<string, unknown>[];
}

/** A provider without its key. */
export interface ModelsProvider {
  name: string;
  api: string;
  /** Empty: Anthropic's own. */
  baseUrl: string;
  /** Whether there is one. */
  key: boolean;
  /** As `sources` of `config.get`: `flag`, `env`, `traits`, `file`, `clawdbot.json` or `default`. */
  keySource: string;
  usable: boolean;
  isDefault: boolean;
  /** The number of models that it offers. */
  models: number;
  /** The environment variable that gave the key. */
  keyVariable?: string;
  /** Why its models could not be listed the last time: `kind`, `message`, `hint`, in the client's language. */
  error?: Record<string, unknown>;
}

export interface ModelsProvidersResult {
  providers: ModelsProvider[];
  /** `provider/id` of the model that answers unless a session chose another. */
  defaultModel: string;
  /** `agents.defaults.model`; empty: chosen automatically. */
  configured: string;
  configuredSource: string;
  /** `models.allowed`; empty: all. */
  allowed: string[];
  allowedSource: string;
}

export interface ModelsSetKeyParams {
  /** Absent or empty: forget the one that is kept. */
  apiKey?: string | null;
}

export interface ModelsTestParams {
  /** `anthropic` if absent. */
  provider?: string | null;
  /** Tried instead of the one that is set; it is not kept. */
  apiKey?: string | null;
  baseUrl?: string | null;
  /**
   * An id of the provider's: it is sent a short message, which costs what a few tokens cost. Absent: the provider is
   * asked for its models.
   */
  model?: string | null;
}

export interface ModelsTestResult {
  ok: boolean;
  /** The number of models the key may use, where the server says. */
  models?: number;
  /** `kind`, `message`, `hint`, in the client's language. */
  error?: Record<string, unknown>;
  /** Until the end of the answer. */
  ms?: number;
  /** The text that the model answered with. */
  reply?: string;
  /** `input` and `output` tokens of it. */
  usage?: Record<string, unknown>;
}

/** Nothing is read. */
export type NoParams = Record<string, never>;

export interface NodeEventParams {
  event: string;
  payload?: unknown;
  payloadJSON?: unknown;
}

export interface NodeIdParams {
  nodeId: string;
}

export interface NodeInvokeAnswer {
  ok: boolean;
  /** The invocation had timed out or was never made. */
  ignored?: boolean;
}

/**
 * Sent to the node alone: the answer to the invocation is not waited for any more; stop it where that is possible.
 * Ours.
 */
export interface NodeInvokeCancelEvent {
  id: string;
}

/** Sent to the node alone; it answers with `node.invoke.result`. */
export interface NodeInvokeEvent {
  id: string;
  nodeId: string;
  command: string;
  paramsJSON: string | null;
  /** 0: no limit (ours, of the commands of notebook nodes). */
  timeoutMs: number;
  idempotencyKey: string;
}

export interface NodeInvokeParams {
  nodeId: string;
  command: string;
  idempotencyKey: string;
  params?: unknown;
  /** 30,000 if absent. */
  timeoutMs?: number | null;
}

export interface NodeInvokeResult {
  ok: boolean;
  nodeId: string;
  command: string;
  payload: unknown;
  payloadJSON: string | null;
}

/** The result of an invocation. A result after the timeout is taken and ignored. */
export interface NodeInvokeResultParams {
  nodeId: string;
  id: string;
  ok: boolean;
  payload?: unknown;
  /** The payload as JSON text. */
  payloadJSON?: string | Record<string, unknown> | unknown[] | number | boolean | null;
  error?: Record<string, unknown> | null;
}

export interface NodeListResult {
  ts: number;
  nodes: Record<string, unknown>[];
}

export interface NodePairListResult {
  pending: Record<string, unknown>[];
  paired: Record<string, unknown>[];
}

export interface NodePairRequestParams {
  nodeId: string;
  displayName?: string | null;
  platform?: string | null;
  version?: string | null;
  deviceFamily?: string | null;
  modelIdentifier?: string | null;
  caps?: string[] | null;
  commands?: string[] | null;
  remoteIp?: string | null;
  silent?: boolean | null;
}

export interface NodePairResolvedEvent {
  requestId: string;
  nodeId: string;
  decision: "approved" | "rejected";
  ts: number;
}

export interface NodePairVerifyParams {
  nodeId: string;
  token: string;
}

export interface NodeRenameParams {
  nodeId: string;
  displayName: string;
}

export interface NodeRenameResult {
  nodeId: string;
  displayName: string;
}

export interface OkResult {
  ok: boolean;
}

export interface PairResolvedEvent {
  requestId: string;
  deviceId: string;
  decision: "approved" | "rejected";
  ts: number;
}

export interface PairedDevice {
  deviceId: string;
  publicKey: string;
  role: string;
  roles: string[];
  scopes: string[];
  createdAtMs: number;
  approvedAtMs: number;
  /** `role`, `scopes`, `createdAtMs`, `rotatedAtMs`, `revokedAtMs`, `lastUsedAtMs`; never the token. */
  tokens: Record<string, unknown>[];
  displayName?: string;
  platform?: string;
  clientId?: string;
  clientMode?: string;
  remoteIp?: string;
}

/** A device that waits for approval. Forgotten after 5 minutes. */
export interface PairingRequest {
  requestId: string;
  deviceId: string;
  publicKey: string;
  role: string;
  roles: string[];
  scopes: string[];
  silent: boolean;
  /** The device was paired before and asks for more. */
  isRepair: boolean;
  ts: number;
  displayName?: string;
  platform?: string;
  clientId?: string;
  clientMode?: string;
  remoteIp?: string;
}

export interface PresenceEvent {
  presence: Record<string, unknown>[];
}

/** One prompt of the user's own library. */
export interface Prompt {
  id: string;
  name: string;
  text: string;
  updatedAt: number;
}

export interface PromptsDeleteParams {
  id: string;
}

export interface PromptsListResult {
  prompts: Prompt[];
}

export interface PromptsSetParams {
  name: string;
  text: string;
  /** Of the prompt to replace; absent: a new one. */
  id?: string | null;
}

export interface PromptsSetResult {
  prompt: Prompt;
}

export interface ProtocolDescribeParams {
  method: string;
}

export interface ProtocolDescribeResult {
  method: string;
  help: string;
  scope: string;
  ours: boolean;
  /** JSON Schema. */
  params: Record<string, unknown>;
  /** JSON Schema; empty where the shape is Clawdbot's and open. */
  result: Record<string, unknown>;
}

/** Ours: a send that waits its turn. */
export interface Queued {
  runId: string;
  text: string;
  createdAt: number;
  /** The running reply reads it before its next step, if it has one. */
  when?: "now";
}

export interface RequestIdParams {
  requestId: string;
}

export interface RotateResult {
  /** The one that is good from now on; absent for a caller who has not shown the old one: it is on that machine. */
  token?: string;
}

export interface RulesChangedEvent {
  hash: string;
}

/** One message. `highlights` are `[start, end]` in `snippet`, in UTF-16 code units. */
export interface SearchHit {
  sessionKey: string;
  sessionId: string;
  seq: number;
  messageId: string;
  role: string;
  timestamp: number;
  snippet: string;
  highlights: number[][];
  /** It is not in the current transcript of its session: read it by `sessionId`, or restore that. */
  archived: boolean;
  /** Whether it is on the path that is shown. If not, `chat.branch` shows it (of the current transcript). */
  shown: boolean;
  label?: string;
  derivedTitle?: string;
}

/**
 * `entry` is as in `sessions.list`; absent when `reason` is `deleted`. A client that shows the session reads its
 * history again when the entry's `epoch` is not the one it has.
 */
export interface SessionChangedEvent {
  key: string;
  reason: "branched" | "cleared" | "created" | "deleted" | "edited" | "reset" | "restored" | "updated";
  entry?: Record<string, unknown>;
}

export interface SessionEntryResult {
  ok: boolean;
  key: string;
  entry: Record<string, unknown>;
  /** Ours: what of a change has no effect now, in the client's language. */
  notes?: string[];
}

export interface SessionIdParams {
  sessionId: string;
}

export interface SessionKeyParams {
  /** A session key; `main` is an alias. */
  key: string;
}

export interface SessionKeysParams {
  keys: string[];
}

export interface SessionKeysResult {
  ok: boolean;
  /** The present subscriptions. */
  keys: string[];
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

export interface SessionRow {
  /** As in `sessions.list`. */
  entry: Record<string, unknown>;
  /**
   * Origin, as its key tells it: the main session, a chat, one with a name of its own, an imported one, or one that is
   * in memory only.
   */
  kind: "chat" | "imported" | "main" | "named" | "temporary";
  /** Read and written by all replies of the present transcript. */
  tokens: number;
  /** Replies whose price was not known: `entry.cost` is of the others. */
  unpriced: number;
}

export interface SessionsBulkParams {
  action: "archive" | "delete" | "unarchive" | "undelete";
  keys: string[];
}

export interface SessionsBulkResult {
  done: string[];
  /** `key` and `error`, as in a response. */
  failed: Record<string, unknown>[];
  /** Of `delete`: `undelete` works until then. */
  undoUntil?: number;
}

export interface SessionsClearResult {
  ok: boolean;
  key: string;
  entry: Record<string, unknown>;
  undoUntil: number;
}

export interface SessionsCompactParams {
  /** A session key; `main` is an alias. */
  key: string;
  /** Ours: what the summary should keep above all. */
  instructions?: string | null;
  /** Read and without effect: Clawdbot cuts its transcript file to so many lines, ours stays whole. */
  maxLines?: number | null;
}

export interface SessionsCompactResult {
  ok: boolean;
  key: string;
  compacted: boolean;
  /** Why not, when `compacted` is false. */
  reason?: string;
  tokensBefore?: number;
  tokensAfter?: number;
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
  /** Ours: `sessions.undelete` works until then. */
  undoUntil?: number;
}

export interface SessionsExportManyParams {
  format: "html" | "ipynb" | "json" | "markdown";
  keys: string[];
}

export interface SessionsExportManyResult {
  filename: string;
  mediaType: string;
  /** A ZIP archive, in base64. */
  content: string;
  done: string[];
  /** As in `sessions.bulk`. */
  failed: Record<string, unknown>[];
  /** Keys for which the archive had no room: ask again with them. */
  left?: string[];
}

export interface SessionsExportParams {
  format: "html" | "ipynb" | "json" | "markdown";
  key?: string | null;
  /** Any transcript, archived ones too. */
  sessionId?: string | null;
  /** Put attachments into the file (images; into JSON all kinds, as `media`), as far as there is room. */
  embed?: boolean;
}

export interface SessionsExportResult {
  filename: string;
  mediaType: string;
  content: string;
}

export interface SessionsForkParams {
  /** A session key; `main` is an alias. */
  key: string;
  /** The last message of the copy; without it all that is shown is copied. */
  messageId?: string | null;
  label?: string | null;
  /** Makes a resend safe: it is answered with the copy that is there. */
  idempotencyKey?: string | null;
}

export interface SessionsImportParams {
  /** The file's text. */
  content: string;
  name?: string | null;
  format?: "auto" | "clawdbot-jsonl" | "clawdbot-jupyter";
  /** The title of the conversation, if the file has none: Clawdbot has labels in `sessions.json`. */
  label?: string | null;
}

export interface SessionsImportResult {
  ok: boolean;
  keys: string[];
  /** The number of added messages: none when the file was imported before. */
  messages: number;
  /** The items left out, `line` (or the `file` of a message, which stays by name) and `reason`, the first hundred. */
  skipped: Record<string, unknown>[];
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
  /** Ours: put away sessions, too. */
  includeArchived?: boolean | null;
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
  /** Never written to disk: gone when it is deleted or the gateway stops. Its key is the gateway's choice. */
  temporary?: boolean | null;
}

export interface SessionsPageParams {
  offset?: number;
  limit?: number;
  sort?: "cost" | "model" | "title" | "tokens" | "updated";
  descending?: boolean;
  /** In key, label and title. */
  search?: string | null;
  /** Empty: all. */
  kinds?: ("chat" | "imported" | "main" | "named" | "temporary")[];
  /** Active then or later. */
  since?: number | null;
  /** Active before then. */
  until?: number | null;
  archived?: "only" | "with" | "without";
}

export interface SessionsPageResult {
  ts: number;
  /** Of all that match. */
  total: number;
  offset: number;
  /** Pinned ones first. */
  rows: SessionRow[];
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
  /** Ours: kept in front by clients; the list's order does not change. */
  pinned?: boolean | null;
  /** Ours: put away; listed only with `includeArchived`. */
  archived?: boolean | null;
  /** Ours: added to the system prompt of every turn in this session. */
  systemPrompt?: string | null;
  /** Ours: for models that take one; others are asked without it, and a note says so. */
  temperature?: number | null;
  /** Ours: `false` keeps the model from naming this session. */
  autoTitle?: boolean | null;
  /**
   * Ours: how much the assistant may do in notebooks and files without a question. Entries have it as `hands`: `mode`
   * as it is in force now, `cap` (the most that the administrator allows), `notebook`, `untilMs`.
   */
  handsMode?: "ask" | "chat" | "edits" | "notebook" | "plan" | "read" | "unattended" | null;
  /** Ours: the notebook of the mode `notebook`. */
  handsNotebook?: string | null;
  /** Ours: how long the modes `notebook` and `unattended` last; 60 if absent. */
  handsMinutes?: number | null;
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

export interface SessionsSearchParams {
  /** Words, all of which a message must have; the last may be the beginning of one. */
  query: string;
  limit?: number | null;
  /** `next` of the page before. */
  before?: number | null;
}

export interface SessionsSearchResult {
  hits: SearchHit[];
  /** The position of the next page; absent on the last one. */
  next?: number;
}

export interface SessionsTranscriptsResult {
  key: string;
  transcripts: Record<string, unknown>[];
}

export interface SessionsUsageParams {
  /** One session; absent: all. */
  key?: string | null;
  limit?: number | null;
  days?: number | null;
}

export interface SessionsUsageResult {
  updatedAt: number;
  sessions: Record<string, unknown>[];
  totals: Record<string, unknown>;
}

export interface ShutdownEvent {
  reason: string;
  restartExpectedMs?: number;
}

/** Ours: a message of the path shown that has alternatives; `ids` are all of them, itself included, oldest first. */
export interface Siblings {
  messageId: string;
  ids: string[];
}

export interface SkillsStatusResult {
  workspaceDir: string;
  managedSkillsDir: string;
  skills: Record<string, unknown>[];
}

/** A device's report on itself; a text that does not begin with `Node:` is a notice for the main session. */
export interface SystemEventParams {
  text: string;
  deviceId?: string | null;
  instanceId?: string | null;
  host?: string | null;
  ip?: string | null;
  mode?: string | null;
  version?: string | null;
  platform?: string | null;
  deviceFamily?: string | null;
  modelIdentifier?: string | null;
  lastInputSeconds?: number | null;
  reason?: string | null;
  roles?: string[] | null;
  scopes?: string[] | null;
  tags?: string[] | null;
}

export interface TickEvent {
  ts: number;
}

/** A cell that was left as it is, because it is no longer as the assistant left it. */
export interface UndoProblem {
  cell: string;
  /** Its present source; `null`: it is not there any more. */
  now: string | null;
  before: string | null;
  after: string | null;
}

export interface UpdateRunParams {
  sessionKey?: string | null;
  note?: string | null;
  restartDelayMs?: number | null;
  timeoutMs?: number | null;
}

export interface UsageBreakdownParams {
  /** Beginnings of the days in the reader's time zone, rising; the last one is the end of the range. */
  edges: number[];
  /** Of one session; absent: of all. */
  sessionKey?: string | null;
  /** So many sessions are named, the dearest; the others are together under `null`. */
  sessions?: number;
}

export interface UsageBreakdownResult {
  updatedAt: number;
  days: UsageRow[];
  /** The dearest first. */
  sessions: UsageRow[];
  /** Of all. */
  sessionCount: number;
  /** Key → title, of the sessions named that are still there. */
  titles: Record<string, unknown>;
}

export interface UsageCostParams {
  /** 30 if absent; today counts as one. */
  days?: number | string | null;
}

export interface UsageCostResult {
  updatedAt: number;
  days: number;
  /**
   * `date` (of the gateway's time zone), `input`, `output`, `cacheRead`, `cacheWrite`, `totalTokens`, `totalCost`,
   * `missingCostEntries`.
   */
  daily: Record<string, unknown>[];
  totals: Record<string, unknown>;
}

/** The replies that have day or session, model and client in common. */
export interface UsageRow {
  provider: string;
  model: string;
  /** The id that the client gave; `null` for titles, summaries and what was not written down. */
  client: string | null;
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  /** US dollars, of the replies whose price is known. */
  cost: number;
  replies: number;
  /** Replies whose price is not known. */
  unpriced: number;
  /** In `days`: it begins at `edges[day]`. */
  day?: number;
  /** In `sessions`: the key. */
  session?: string | null;
}

export interface UsageStatusResult {
  updatedAt: number;
  /** None: the provider's quotas are not known. */
  providers: Record<string, unknown>[];
  limits: LimitLeft[];
}

export interface VoicewakeResult {
  triggers: string[];
}

export interface WakeParams {
  mode: "next-heartbeat" | "now";
  text: string;
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
  /** Have a message answered once more; the replies are alternatives. */
  "chat.regenerate": { params: ChatRegenerateParams; result: ChatSendResult };
  /** Send a message in the place of another; both stay, as alternatives. */
  "chat.edit": { params: ChatEditParams; result: ChatSendResult };
  /** Go on with a reply that was stopped or cut. */
  "chat.continue": { params: ChatContinueParams; result: ChatSendResult };
  /** Show the branch with this message, to its newest end. */
  "chat.branch": { params: ChatMessageParams; result: ChatBranchResult };
  /** Take one message out; what follows it stays. Can be undone for 10 s. */
  "chat.delete": { params: ChatMessageParams; result: ChatDeleteResult };
  /** Put a deleted message back. */
  "chat.undelete": { params: ChatMessageParams; result: ChatBranchResult };
  /** Change what a message says that waits its turn, or whether the running reply reads it. */
  "chat.queue.edit": { params: ChatQueueEditParams; result: OkResult };
  /** What may be attached, how large and how many. */
  "media.limits": { params: NoParams; result: MediaLimitsResult };
  /** What the model was given of an attachment. */
  "media.saw": { params: MediaSawParams; result: MediaSawResult };
  /** Ask for a turn and wait: one response when it is accepted, a second when it has ended. */
  "agent": { params: AgentParams; result: AgentResult };
  /** Wait for a run to end. */
  "agent.wait": { params: AgentWaitParams; result: AgentWaitResult };
  /** Name and avatar of the agent of a session. */
  "agent.identity.get": { params: AgentIdentityParams; result: AgentIdentityResult };
  /** The agents: one. */
  "agents.list": { params: NoParams; result: AgentsListResult };
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
  /** Remove a session; the main one cannot be removed. Can be undone for 10 s. */
  "sessions.delete": { params: SessionsDeleteParams; result: SessionsDeleteResult };
  /** Bring a deleted session back. */
  "sessions.undelete": { params: SessionKeyParams; result: SessionEntryResult };
  /** Copy what a session shows, up to a message, into a new session. */
  "sessions.fork": { params: SessionsForkParams; result: SessionEntryResult };
  /** Find a session key by key, session id or label. */
  "sessions.resolve": { params: SessionsResolveParams; result: SessionsResolveResult };
  /** Have the model summarise the conversation so far; it goes on from the summary, the transcript stays. */
  "sessions.compact": { params: SessionsCompactParams; result: SessionsCompactResult };
  /** Get these sessions' events; for clients with the cap `sessions.subscribe`, who get no other's. */
  "sessions.subscribe": { params: SessionKeysParams; result: SessionKeysResult };
  /** Get these sessions' events no more. */
  "sessions.unsubscribe": { params: SessionKeysParams; result: SessionKeysResult };
  /** The last few messages of several sessions, shortened. */
  "sessions.preview": { params: SessionsPreviewParams; result: SessionsPreviewResult };
  /** A page of the sessions, sorted and filtered, for tables. */
  "sessions.page": { params: SessionsPageParams; result: SessionsPageResult };
  /** Put many sessions away, or delete them, and the reverse. A deletion can be undone for 60 s. */
  "sessions.bulk": { params: SessionsBulkParams; result: SessionsBulkResult };
  /** The transcripts of many sessions as an archive, or as several: `left` are for the next. */
  "sessions.exportMany": { params: SessionsExportManyParams; result: SessionsExportManyResult };
  /** Messages of all sessions that have these words, newest first. */
  "sessions.search": { params: SessionsSearchParams; result: SessionsSearchResult };
  /** Take in a conversation: our JSON export, or a JSONL transcript of Clawdbot's. Again: nothing twice. */
  "sessions.import": { params: SessionsImportParams; result: SessionsImportResult };
  /** A transcript as a file: Markdown, our JSON, a web page by itself, or a notebook. */
  "sessions.export": { params: SessionsExportParams; result: SessionsExportResult };
  /** The user's prompts, by name. */
  "prompts.list": { params: NoParams; result: PromptsListResult };
  /** Keep a prompt. */
  "prompts.set": { params: PromptsSetParams; result: PromptsSetResult };
  /** Remove a prompt. */
  "prompts.delete": { params: PromptsDeleteParams; result: OkResult };
  /** Files of the Jupyter server, as its file browser shows them. */
  "files.list": { params: FilesListParams; result: FilesListResult };
  /** The models that can be chosen. */
  "models.list": { params: NoParams; result: ModelsListResult };
  /** The providers with the state of their keys, the default model, and what is allowed. */
  "models.providers": { params: NoParams; result: ModelsProvidersResult };
  /** Try a key for a provider without storing it. */
  "models.test": { params: ModelsTestParams; result: ModelsTestResult };
  /** Keep the key for Anthropic's models, from the owner's own login; it is never read back. */
  "models.setKey": { params: ModelsSetKeyParams; result: OkResult };
  /** The slash commands, with descriptions in the client's language. */
  "commands.list": { params: CommandsListParams; result: CommandsListResult };
  /** What may follow a command, as far as it is typed. */
  "commands.complete": { params: CommandsCompleteParams; result: CommandsCompleteResult };
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
  /** Replace the configuration file; what changed takes effect at once. */
  "config.apply": { params: ConfigApplyParams; result: Record<string, unknown> };
  /** JSON Schema and UI hints of the configuration. */
  "config.schema": { params: NoParams; result: Record<string, unknown> };
  /** A login code for one use within 60 s (`clawdbot web`). */
  "auth.link": { params: NoParams; result: LinkCreateResult };
  /** Replace the token: all sockets close, all logins end (`clawdbot token rotate`). */
  "auth.rotate": { params: NoParams; result: RotateResult };
  /** End every login of a browser (`clawdbot logout`). */
  "auth.logoutEverywhere": { params: NoParams; result: LogOutResult };
  /** Write a checked copy of all conversations on the gateway's machine (`clawdbot backup`). */
  "storage.backup": { params: NoParams; result: BackupResult };
  /** Stop or restart this gateway. */
  "gateway.stop": { params: GatewayStopParams; result: OkResult };
  /** Who is connected, and was lately. */
  "system-presence": { params: NoParams; result: Record<string, unknown> };
  /** Tell of a device, or leave a notice that the main session's next turn is told. */
  "system-event": { params: SystemEventParams; result: OkResult };
  /** The last heartbeat: `null`, there are none. */
  "last-heartbeat": { params: NoParams; result: Record<string, unknown> };
  /** Heartbeats on or off: they stay off. */
  "set-heartbeats": { params: HeartbeatsParams; result: HeartbeatsResult };
  /** Leave a notice that the main session's next turn is told. */
  "wake": { params: WakeParams; result: OkResult };
  /** The newest lines of the log. */
  "logs.tail": { params: LogsTailParams; result: LogsTailResult };
  /** What is left of the gateway's spending limits (`limits`); the providers' quotas are not known to it. */
  "usage.status": { params: NoParams; result: UsageStatusResult };
  /** Tokens and dollars by day. */
  "usage.cost": { params: UsageCostParams; result: UsageCostResult };
  /** Tokens and dollars of a range of time, by day and by session, each by model and client. */
  "usage.breakdown": { params: UsageBreakdownParams; result: UsageBreakdownResult };
  /** Tokens and dollars by session. */
  "sessions.usage": { params: SessionsUsageParams; result: SessionsUsageResult };
  /** Where the gateway listens, who may come in, what runs, and the provider's last failure. */
  "gateway.info": { params: NoParams; result: GatewayInfoResult };
  /** The findings of `clawdbot doctor` and `clawdbot security audit` on the gateway's machine. */
  "gateway.checks": { params: NoParams; result: GatewayChecksResult };
  /** A method with the JSON Schema of its parameters and result. */
  "protocol.describe": { params: ProtocolDescribeParams; result: ProtocolDescribeResult };
  /** Devices that wait, and paired ones. */
  "device.pair.list": { params: NoParams; result: DevicePairListResult };
  /** Let a device in. */
  "device.pair.approve": { params: RequestIdParams; result: DevicePairApproveResult };
  /** Turn a device away. */
  "device.pair.reject": { params: RequestIdParams; result: DevicePairRejectResult };
  /** Give a device a new token; sockets that came by the old one close. */
  "device.token.rotate": { params: DeviceTokenRotateParams; result: DeviceTokenRotateResult };
  /** Take a device's role back; its sockets close. */
  "device.token.revoke": { params: DeviceTokenParams; result: DeviceTokenRevokeResult };
  /** Name a paired device. */
  "device.rename": { params: DeviceRenameParams; result: DeviceRenameResult };
  /** Who is connected, from which address, with what; `presence` tells when that changes. */
  "clients.list": { params: NoParams; result: ClientsListResult };
  /** Nodes that are connected or paired. */
  "node.list": { params: NoParams; result: NodeListResult };
  /** One node with what it can do. */
  "node.describe": { params: NodeIdParams; result: Record<string, unknown> };
  /** Have a node do something; waits for it. */
  "node.invoke": { params: NodeInvokeParams; result: NodeInvokeResult };
  /** What became of an invocation. */
  "node.invoke.result": { params: NodeInvokeResultParams; result: NodeInvokeAnswer };
  /**
   * Something a node tells: `chat.subscribe`, `chat.unsubscribe`, `agent.request`, `voice.transcript`; `node.progress`
   * `{id, data}` of an invocation under way.
   */
  "node.event": { params: NodeEventParams; result: OkResult };
  /** Name a node. */
  "node.rename": { params: NodeRenameParams; result: NodeRenameResult };
  /** Ask for a node to be let in. */
  "node.pair.request": { params: NodePairRequestParams; result: Record<string, unknown> };
  /** Nodes that wait, and paired ones. */
  "node.pair.list": { params: NoParams; result: NodePairListResult };
  /** Let a node in; answers with its token. */
  "node.pair.approve": { params: RequestIdParams; result: Record<string, unknown> };
  /** Turn a node away. */
  "node.pair.reject": { params: RequestIdParams; result: Record<string, unknown> };
  /** Forget a node that was let in: its token is void. */
  "node.pair.remove": { params: NodeIdParams; result: OkResult };
  /** Is this a paired node's token? */
  "node.pair.verify": { params: NodePairVerifyParams; result: Record<string, unknown> };
  /** Programs that skills need on a node: none. */
  "skills.bins": { params: NoParams; result: Record<string, unknown> };
  /** Ask whether a command may run; answered with the decision, or when time is up. */
  "exec.approval.request": { params: ApprovalRequestParams; result: ApprovalResult };
  /** Decide. */
  "exec.approval.resolve": { params: ApprovalResolveParams; result: OkResult };
  /** What waits for a decision. */
  "exec.approval.list": { params: NoParams; result: ApprovalListResult };
  /** What was decided, by whom and when; kept for `hands.keepDays`. */
  "exec.approval.history": { params: ApprovalHistoryParams; result: ApprovalHistoryResult };
  /** The rules for commands. */
  "exec.approvals.get": { params: NoParams; result: ApprovalsFileResult };
  /** Replace the rules for commands. */
  "exec.approvals.set": { params: ApprovalsSetParams; result: ApprovalsFileResult };
  /** Permissions given for good. */
  "hands.grants.list": { params: NoParams; result: GrantsListResult };
  /** Take a permission back. */
  "hands.grants.revoke": { params: GrantIdParams; result: OkResult };
  /** What the assistant changed in notebooks and files. */
  "hands.changes.list": { params: ChangesListParams; result: ChangesListResult };
  /** Put back what one change replaced; a cell changed since is left alone unless `force`. */
  "hands.changes.undo": { params: ChangesUndoParams; result: ChangesUndoResult };
  /** Accept a change for good. */
  "hands.changes.keep": { params: ChangeIdParams; result: OkResult };
  /** Chat channels: none. */
  "channels.status": { params: ChannelsStatusParams; result: ChannelsStatusResult };
  /** The scheduler: there is none. */
  "cron.status": { params: NoParams; result: CronStatusResult };
  /** Scheduled jobs: none. */
  "cron.list": { params: CronListParams; result: CronListResult };
  /** Skills: none. */
  "skills.status": { params: NoParams; result: SkillsStatusResult };
  /** Speech: disabled. */
  "tts.status": { params: NoParams; result: Record<string, unknown> };
  /** Wake words: none. */
  "voicewake.get": { params: NoParams; result: VoicewakeResult };
  /** Nothing: this package is updated by whatever installed it; says how. */
  "update.run": { params: UpdateRunParams; result: Record<string, unknown> };
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
  /** The configuration was changed. */
  "config.changed": ConfigChangedEvent;
  /** The same as the method `health`, after `hello-ok`. */
  "health": Record<string, unknown>;
  /** A client connected or disconnected; the frame carries `stateVersion`. */
  "presence": PresenceEvent;
  /** A device or a node was named, got another token, or lost a role. */
  "device.changed": DeviceChangedEvent;
  /** A device waits to be let in. */
  "device.pair.requested": PairingRequest;
  /** A device was let in or turned away. */
  "device.pair.resolved": PairResolvedEvent;
  /** Do something. */
  "node.invoke.request": NodeInvokeEvent;
  /** Stop doing it. */
  "node.invoke.cancel": NodeInvokeCancelEvent;
  /** A node waits to be let in. */
  "node.pair.requested": Record<string, unknown>;
  /** A node was let in or turned away. */
  "node.pair.resolved": NodePairResolvedEvent;
  /** A command waits for a decision. */
  "exec.approval.requested": ApprovalRequestedEvent;
  /** A request has been decided. */
  "exec.approval.resolved": ApprovalResolvedEvent;
  /** The rules for commands are others. */
  "exec.approvals.changed": RulesChangedEvent;
  /** A permission was given or taken back. */
  "hands.grants.changed": GrantsChangedEvent;
  /** The assistant changed something, or a change was kept or undone. */
  "hands.changes.changed": ChangesChangedEvent;
}
