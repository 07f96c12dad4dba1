"""``/compact``, ``/context``, ``/whoami``, ``/export``: what a conversation is made of, made smaller, made a file."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from ... import private_files
from ...agent.context.builder import build
from ...agent.context.compaction import effective
from ...agent.context.system_prompt import system_prompt
from ...agent.context.token_estimate import estimate
from ...protocol.errors import NotFound
from ..runs.compaction import compact as compact_session
from ..runs.manager import too_busy
from ..sessions.export import export as export_session
from ..wire_forms import decode
from .base import Answer, Call

MESSAGES = 2000


async def compact(call: Call) -> Answer:
    """Have the conversation summarised; the argument says what the summary should keep above all."""
    session = await call.services.store.get_session(call.key)
    if session is None:
        return Answer(call.say("compact.nothing"))
    if call.services.runs.active(call.key):
        raise too_busy()
    made = await compact_session(
        call.services.runs.context, session, locale=call.caller.locale, instructions=call.argument
    )
    if made is None:
        return Answer(call.say("compact.nothing"))
    return Answer(made.text, fields={"compaction": made.facts})


async def context(call: Call) -> Answer:
    """Answer the size of the next request's context, in tokens (estimated)."""
    services = call.services
    session = await services.store.get_session(call.key)
    model, config = services.sessions.model(session), services.config()
    stored = (
        []
        if session is None
        else [decode(m) for m in (await services.store.history(session_id=session.session_id, limit=MESSAGES)).messages]
    )
    system = system_prompt(
        config["agents.defaults.systemPrompt"],
        session.settings.get("systemPrompt") if session else None,
    )
    reserve = min(model.max_output, config["agents.defaults.maxTokens"] or model.max_output)
    fitted = build(effective(stored), system=system, window=model.context_window, max_output=reserve, answering=False)
    prompt = estimate(system)
    rows = [
        ("context.system", prompt),
        ("context.messages", max(0, fitted.tokens - prompt)),
        ("context.reply", reserve),
        ("context.window", model.context_window),
    ]
    lines = [f"| {call.say(key)} | {tokens:,} |" for key, tokens in rows]
    notes = [call.say("context.dropped", count=fitted.dropped)] if fitted.dropped else []
    if any(m.get("compaction") for m in stored):
        notes.append(call.say("context.compacted"))
    head = f"| {call.say('context.part')} | {call.say('context.tokens')} |\n|---|---:|"
    tail = ["", *notes] if notes else []
    return Answer("\n".join([call.say("context.title", name=model.name), "", head, *lines, *tail]))


async def whoami(call: Call) -> Answer:
    client = call.caller
    assert client.identity is not None
    rows = [
        ("whoami.user", f"{client.identity.user} ({client.identity.via})"),
        ("whoami.client", client.info["displayName"]),
        ("whoami.role", client.role),
        ("whoami.scopes", ", ".join(sorted(client.scopes)) or "–"),
        ("whoami.session", f"`{call.key}`"),
    ]
    if client.device_id:
        rows.insert(2, ("whoami.device", f"`{client.device_id[:16]}…`"))
    return Answer("\n".join(f"- {call.say(key)}: {value}" for key, value in rows))


async def export(call: Call) -> Answer:
    """Write the transcript to a Markdown file of the state directory."""
    services = call.services
    try:
        made = await export_session(services, "markdown", call.caller.locale, key=call.key)
    except NotFound:
        return Answer(call.say("export.empty"))
    if not made.messages:
        return Answer(call.say("export.empty"))
    path = services.config().home / "exports" / f"{time.strftime('%Y%m%d-%H%M%S')}-{made.name}"
    await asyncio.to_thread(_write, path, made.text)
    return Answer(call.say("export.done", count=made.messages, path=path))


def _write(path: Path, text: str) -> None:
    private_files.make_directory(path.parent)
    private_files.write(path, text.encode("utf-8", "replace"))
