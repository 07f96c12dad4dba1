/** The steps of the reducer for tools, attachments being read, and approvals. */
import type { AgentEvent, Approval, Message, ToolStep } from "../protocol/types.js";
import type { Live, State, View } from "./state.js";

/** So many pieces of a call's progress are kept. */
const PROGRESS_KEPT = 300;

/** A tool has begun, has more output, or is done: what is known of a call is put together by its id. */
export function withTool(live: Live, step: ToolStep, now: number): Live {
  const tools = live.tools ?? [];
  const known = tools.find((tool) => tool.toolCallId === step.toolCallId);
  const next: ToolStep = { ...(known ?? { startedAt: now }), ...step };
  const { progress } = step;
  if (progress) next.log = [...(known?.log ?? []), progress].slice(-PROGRESS_KEPT);
  return { ...live, tools: known ? tools.map((tool) => (tool === known ? next : tool)) : [...tools, next] };
}

export function withReading(live: Live, { phase, name, detail, fraction }: AgentEvent["data"]): Live {
  const next = { ...live };
  delete next.reading;
  if (phase !== "start" && phase !== "progress") return next;
  return {
    ...next,
    reading: { name: name ?? "", detail: detail ?? "", ...(fraction === undefined ? {} : { fraction }) },
  };
}

/** Does a run go on after this message of its? */
export function goesOn(message: Message): boolean {
  return message.role === "assistant" && message.stopReason === "toolUse";
}

/** The run has stored what it said so far; what comes next begins anew. */
export function begunAnew(view: View, runId: string): Live | null {
  const { live } = view;
  if (live?.runId !== runId) return live;
  const { startedAt, tools } = live;
  return { runId, text: "", thinking: "", startedAt, ...(tools ? { tools } : {}) };
}

/** A command waits for a decision. */
export function asking(state: State, approval: Approval): State {
  const others = state.approvals.filter((each) => each.id !== approval.id);
  return { ...state, approvals: [...others, approval].sort((a, b) => a.createdAtMs - b.createdAtMs) };
}

export function decided(state: State, id: string): State {
  const approvals = state.approvals.filter((each) => each.id !== id);
  return approvals.length === state.approvals.length ? state : { ...state, approvals };
}
