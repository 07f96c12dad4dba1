/**
 * What a turn consists of, in the order of telling: thinking, text, calls of tools, attachments. The key of a part stays
 * the same from the first token to the stored message, so that nothing is drawn anew when a reply is done.
 */
import { joined, textOf } from "../../state/messages.js";
import type { ContentBlock, Message, ToolStep } from "../../protocol/types.js";

import type { Row } from "./rows.js";

export type Part =
  | { kind: "thinking"; key: string; text: string; running: boolean; ms?: number }
  | { kind: "text"; key: string; text: string; streaming: boolean; cites?: ContentBlock[] }
  | { kind: "tools"; key: string; steps: ToolStep[] }
  | { kind: "media"; key: string; block: ContentBlock };

const MEDIA = new Set(["image", "audio", "video", "document", "file", "notebook"]);

/** Something attached that the gateway keeps. */
export function isMedia(block: ContentBlock): boolean {
  return MEDIA.has(block.type) && typeof block.mediaId === "string";
}

/** What is attached to a message. */
export function mediaOf(message: Message): ContentBlock[] {
  return typeof message.content === "string" ? [] : message.content.filter(isMedia);
}

/** The parts of an assistant's turn. */
export function partsOf(row: Row): Part[] {
  const parts: Part[] = [];
  const results = new Map(
    row.messages.filter((each) => each.role === "toolResult").map((each) => [each.toolCallId, each]),
  );
  const running = new Map((row.live?.tools ?? []).map((step) => [step.toolCallId, step]));
  const replies = row.messages.filter((each) => each.role === "assistant");
  replies.forEach((message, at) => {
    const last = at === replies.length - 1 && !row.live;
    addMessage(parts, message, at, last, row, (block) => {
      const step = running.get(block.id) ?? {};
      running.delete(block.id);
      return stepOf(block, results.get(block.id), step);
    });
  });
  const { live } = row;
  if (live) {
    const at = replies.length;
    if (live.thinking !== "")
      parts.push({
        kind: "thinking",
        key: `k${at}`,
        text: live.thinking,
        running: live.text === "",
        ms: (live.textAt ?? Date.now()) - live.startedAt,
      });
    if (live.text !== "" || replies.length === 0)
      parts.push({ kind: "text", key: `t${at}.0`, text: live.text, streaming: true });
    for (const step of running.values()) addTool(parts, step);
  }
  return parts;
}

function addMessage(
  parts: Part[],
  message: Message,
  at: number,
  last: boolean,
  row: Row,
  step: (block: ContentBlock) => ToolStep,
): void {
  const blocks: ContentBlock[] =
    typeof message.content === "string" ? [{ type: "text", text: message.content }] : message.content;
  const stored = blocks.filter((block) => block.type === "thinking").map((block) => block.thinking ?? "");
  const thinking = stored.join("\n\n") || (last ? (row.thought?.text ?? "") : "");
  if (thinking !== "")
    parts.push({
      kind: "thinking",
      key: `k${at}`,
      text: thinking,
      running: false,
      ...(row.thought && last ? { ms: row.thought.ms } : {}),
    });
  let texts = 0;
  let open: ContentBlock[] = [];
  for (const block of blocks) {
    if (block.type === "text" && (block.text ?? "") !== "") {
      if (open.length > 0) parts.pop();
      else texts += 1;
      open = [...open, block];
      const cites = open.some((each) => each.citations) ? { cites: open } : {};
      parts.push({ kind: "text", key: `t${at}.${texts - 1}`, text: joined(open), streaming: false, ...cites });
    } else if (block.type === "toolCall") {
      open = [];
      addTool(parts, step(block));
    } else if (block.block?.type === "server_tool_use") {
      open = [];
      const { id, name, input } = block.block as { id: string; name: string; input: unknown };
      const found = blocks.find((each) => each.block?.tool_use_id === id)?.block?.content;
      addTool(parts, { phase: "result", toolCallId: id, name, args: input, found });
    } else if (isMedia(block)) {
      open = [];
      parts.push({ kind: "media", key: `m${block.mediaId ?? ""}`, block });
    }
  }
  // A reply without words still is one: what is said about its end stands below it.
  if (texts === 0 && last && at === 0) parts.push({ kind: "text", key: "t0.0", text: "", streaming: false });
}

function stepOf(block: ContentBlock, result: Message | undefined, running: ToolStep): ToolStep {
  const step: ToolStep = { ...running, toolCallId: block.id ?? "", name: block.name ?? "", args: block.arguments };
  const title = block.title ?? running.title;
  if (title !== undefined) step.title = title;
  if (!result) return step;
  step.phase = "result";
  step.output = textOf(result);
  step.isError = result.isError === true;
  if (result.details) step.details = result.details;
  if (typeof result.content !== "string")
    step.images = result.content.filter((each) => each.type === "image") as never[];
  if (result.denied) step.denied = true;
  if (result.stopped) step.stopped = true;
  if (result.durationMs !== undefined) step.durationMs = result.durationMs;
  return step;
}

/** Calls that follow each other are one part. */
function addTool(parts: Part[], step: ToolStep): void {
  const last = parts.at(-1);
  if (last?.kind === "tools") last.steps.push(step);
  else parts.push({ kind: "tools", key: `c${step.toolCallId ?? ""}`, steps: [step] });
}
