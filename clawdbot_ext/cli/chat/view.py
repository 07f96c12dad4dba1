"""Views of ``clawdbot chat`` besides the growing reply: messages, notices, endings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from ...client.reply import Notice, ReplyEnd
from ...client.session_title import main_key, title_of
from ...escapes import clean, one_line
from ...protocol.citations import Source, cited, in_lines
from ...protocol.clock import now_ms
from ..agent import media_notice, retry_notice
from ..approval_view import plan_lines
from ..files import attachments, line_of
from ..printing import ago, language, say
from ..sessions import speaker
from . import hands
from .images import picture, protocol
from .input import PROMPT
from .markdown import rendered

TAIL_MESSAGES = 8
"""Number of messages of the history shown at the start."""
TAIL_LINES = 12
"""Characters of each of those, except the last."""

PROGRESS_LINES, PROGRESS_CHARS = 3, 200
"""Of a running cell's output, shown while it runs."""


def header(session_key: str, row: Mapping[str, Any] | None, hello: Mapping[str, Any]) -> list[RenderableType]:
    """Heading: the session, and how to leave. ``row`` is the session's in ``sessions.list``, if there is one yet."""
    setup = hello.get("snapshot", {}).get("setup", {})
    title, model = title_of(row, session_key, main_key(hello), language()), (row or {}).get("model")
    line = say("chat.title", title=title, model=model) if model else say("chat.header", session=title)
    lines: list[RenderableType] = [Text(one_line(line), style="bold"), Text(say("chat.keys"), style="dim")]
    if setup.get("needsKey"):
        lines.append(Text(say("status.needsKey"), style="yellow"))
    return [*lines, Text()]


def tail(history: Mapping[str, Any], pictures: Mapping[str, bytes]) -> list[RenderableType]:
    """The last messages of the history, the older of them shortened."""
    messages = history["messages"]
    shown: list[RenderableType] = []
    if history.get("hasMore") or len(messages) > TAIL_MESSAGES:
        shown.append(Text(say("chat.earlier", session=history.get("sessionKey", "")), style="dim"))
    last = messages[-TAIL_MESSAGES:]
    for number, message in enumerate(last):
        shown += message_lines(message, TAIL_LINES if number < len(last) - 1 else None, pictures=pictures)
    return shown


def message_lines(
    message: Mapping[str, Any],
    most: int | None = None,
    *,
    who: bool = False,
    pictures: Mapping[str, bytes] | None = None,
) -> list[RenderableType]:
    """One stored message; ``who`` names its author (it came from another client), ``pictures`` are of its images."""
    said, sources = cited(message)
    lines = said.splitlines()
    text = "\n".join(lines[:most] + (["…"] if most is not None and len(lines) > most else []))
    shown: list[RenderableType] = []
    if message.get("role") == "user":
        name = f"{say('chat.elsewhere')} " if who else ""
        shown += _files(message, pictures or {})
        shown.append(Text.assemble((PROMPT, "bold cyan"), (name, "dim"), clean(text)))
    elif text:
        if who and message.get("command"):
            shown.append(Text(speaker(message), style="dim"))
        shown += [rendered(text), *source_lines(sources)]
    if ending := _ending(
        str(message.get("stopReason")), str(message.get("errorMessage") or ""), message.get("error") or {}
    ):
        shown.append(ending)
    return [*shown, Text()] if shown else []


def _files(message: Mapping[str, Any], pictures: Mapping[str, bytes]) -> list[RenderableType]:
    """A line for each file, with a picture where there is one and the terminal shows it."""
    lines: list[RenderableType] = []
    how = protocol()
    for block in attachments(message):
        lines.append(Text(line_of(block), style="cyan"))
        small = pictures.get(str(block["mediaId"]))
        if how is not None and small is not None and (shown := picture(small, how)) is not None:
            lines.append(shown)
    return lines


def end_lines(end: ReplyEnd) -> list[RenderableType]:
    """The ending of a reply where it is not a plain one, and its cost, if any."""
    message = end.message or {}
    reason = str(message.get("stopReason"))
    if end.state != "final" and reason not in ("error", "interrupted", "aborted"):
        reason = end.state
    if ending := _ending(reason, end.error_message, end.error):
        return [ending, Text()]
    return [*source_lines(cited(message)[1]), *_usage(message)]


def source_lines(sources: Sequence[Source]) -> list[Text]:
    """The list of a reply's sources."""
    return [Text(clean("\n".join((say("chat.sources"), *in_lines(sources)))), style="dim"), Text()] if sources else []


def _ending(reason: str, problem: str, error: Mapping[str, Any]) -> Text | None:
    if reason not in ("error", "interrupted", "aborted"):
        return None
    parts = [f"{say(f'ended.{reason}')} {clean(problem)}".strip(), clean(str(error.get("hint") or ""))]
    colour = {"error": "red", "interrupted": "yellow", "aborted": "dim"}[reason]
    return Text("\n".join(part for part in parts if part), style=colour)


def _usage(message: Mapping[str, Any]) -> Sequence[Text]:
    usage = message.get("usage") or {}
    cost = (usage.get("cost") or {}).get("total") or 0
    if message.get("demo") or not usage.get("totalTokens") or not message.get("model"):
        return ()
    text = say("chat.usage", model=message["model"], tokens=f"{usage['totalTokens']:,}")
    return [Text(f"{text} · ${cost:.4f}" if cost else text, style="dim"), Text()]


def own_commands() -> list[dict[str, Any]]:
    """Commands of the terminal besides the gateway's."""
    return [
        {"name": "attach", "argument": "FILE", "description": say("attach.help")},
        {"name": "detach", "description": say("attach.detach")},
        *hands.rows(),
        {"name": "now", "argument": "TEXT", "description": say("chat.now")},
        {"name": "quit", "description": say("chat.quit")},
    ]


def status(notice: Notice) -> str:
    """Status text while no reply is being written."""
    facts = notice.facts
    if notice.kind == "queued":
        return say("notice.queued", position=facts["position"])
    if notice.kind == "lost":
        return say("notice.lost")
    if notice.kind == "tool":
        return "\n".join([tool_line(notice), *_progress(facts.get("progress")), say("chat.stop")])
    if notice.kind == "media":
        return one_line(media_notice(facts))
    return one_line(retry_notice(facts))


def tool_line(notice: Notice) -> str:
    """The line of a tool's call."""
    return say("notice.tool", title=one_line(str(notice.facts.get("title") or notice.facts.get("name"))))


def _progress(data: Any) -> list[str]:
    """The last lines of what a running cell has written, or the step that a tool is at."""
    text = str(data.get("text") or "") if isinstance(data, Mapping) else ""
    return [one_line(line, PROGRESS_CHARS) for line in text.splitlines()[-PROGRESS_LINES:] if line.strip()]


def plan(facts: Mapping[str, Any]) -> Sequence[str] | None:
    """The steps of the assistant's plan where a tool's event has them."""
    for place in ("details", "progress"):
        data = facts.get(place)
        steps = data.get("steps") if isinstance(data, Mapping) else None
        if isinstance(steps, list) and all(isinstance(step, Mapping) for step in steps):
            return plan_lines(steps)
    return None


def queued_lines(queued: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """Messages that wait their turn."""
    now = now_ms()
    return [
        Text.assemble(
            (PROMPT, "dim cyan"),
            (clean(str(each.get("text", ""))), "dim"),
            (
                f"  {_waits(each)} · {ago(each.get('createdAt') or now, now)}",
                "dim",
            ),
        )
        for each in queued
    ]


def _waits(queued: Mapping[str, Any]) -> str:
    return say("chat.waitsNow" if queued.get("when") == "now" else "chat.waiting")


def notice(text: str, style: str = "dim") -> Text:
    """A line about the conversation rather than of it."""
    return Text(clean(text), style=style)


def print_all(console: Console, lines: Sequence[RenderableType]) -> None:
    """Print renderables one below the other."""
    for line in lines:
        console.print(line)
