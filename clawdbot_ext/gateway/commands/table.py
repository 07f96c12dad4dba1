"""Slash commands: answered by the gateway for every client alike, without the model.

A command is one row of ``COMMANDS`` and one function. Its answer is a ``chat`` ``final`` whose message is marked with
``command``; the command itself is not part of the transcript, and no answer is ever sent to the model.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...i18n import catalogue
from ...protocol.clock import now_ms
from ...protocol.errors import GatewayError, NotFound
from ...protocol.schema import (
    CAP_SWITCH,
    ChatSendResult,
)
from ...runtime import server_info
from ..connections.connection import Connection
from ..connections.presence import of_a_home
from ..error_texts import sentence
from ..runs.manager import recorded
from ..services import Services, after_response, provider_setup
from ..sessions.lifecycle import LEVELS, UNDO_MS, clear, new_key, reset
from ..wire_forms import assistant_message, explain
from .base import Answer, Call, Command
from .insight import compact, context, export, whoami
from .levels import reasoning, think, usage, verbose

t = catalogue("gateway")

STOP_WORDS = frozenset({"stop", "esc", "abort", "wait", "exit", "interrupt"})
"""A message that is only one of these stops the run, as in Clawdbot."""
_WORD = re.compile(r"/([a-z][a-z-]*)(?:[ \t:]+(.*))?\Z", re.DOTALL | re.IGNORECASE)


class Unknown(NamedTuple):
    """Looks like a command, is none, and may be close to ``nearest``."""

    name: str
    nearest: str


def split_command(text: str) -> tuple[Command, str] | Unknown | None:
    """Find the command that a message is, if any. Paths, and commands behind a space, are text for the assistant."""
    if text.strip().casefold() in STOP_WORDS:
        return BY_NAME["stop"], ""
    match = _WORD.match(text.rstrip())
    if not match:
        return None
    name, argument = match[1].lower(), (match[2] or "").strip()
    if name in BY_NAME:
        return BY_NAME[name], argument
    near = difflib.get_close_matches(name, BY_NAME, n=1, cutoff=0.6)
    return Unknown(name, near[0] if near else "") if "\n" not in text.strip() else None


def _why(locale: str | None, error: GatewayError) -> str:
    """A refusal for a person, in their language where a catalogue has it."""
    said = explain(locale, error)
    return sentence(said, locale) or said


async def run_command(
    services: Services,
    caller: Connection,
    command: tuple[Command, str] | Unknown,
    *,
    session_key: str,
    run_id: str,
    request_hash: str,
    left_out: Sequence[str] = (),
) -> ChatSendResult:
    """Do a command once for its run id and tell the answer to the session's watchers. ``left_out``: the names of what
    was attached, which no command takes; the answer says so."""
    if not isinstance(command, Unknown) and command[0].name == "stop":  # harmless to repeat, so not recorded
        stopped = (await _stop(Call(services, caller, session_key, ""))).stopped or []
        halted = ChatSendResult(ok=True, aborted=bool(stopped), run_ids=stopped)
        if left_out:
            halted.left_out = left_out
        return halted
    name = command.name if isinstance(command, Unknown) else command[0].name
    accepted = await services.store.accept_run(
        run_id=run_id,
        session_key=session_key,
        request_hash=request_hash,
        start=False,
        now=now_ms(),
        message={"role": "user", "content": [{"type": "text", "text": f"/{name}"}], "timestamp": now_ms()},
        options={"command": name},
    )
    if accepted.existing:
        return recorded(accepted.run)
    call = Call(services, caller, session_key, "" if isinstance(command, Unknown) else command[1])
    try:
        answer = (
            Answer(
                call.say(
                    "command.unknown" if command.nearest else "command.unknown.far",
                    name=command.name,
                    nearest=command.nearest,
                )
            )
            if isinstance(command, Unknown)
            else await command[0].run(call)
        )
    except GatewayError as exc:
        answer = Answer(call.say("command.failed", name=name, why=_why(caller.locale, exc)))
    text = answer.text
    if left_out:
        text = f"{text}\n\n{call.say('command.leftOut', names=', '.join(f'`{name}`' for name in left_out))}".strip()
    message = assistant_message(text, stopReason="command", command=f"/{name}", **answer.fields)
    result = {"status": "ok", "summary": "completed"} | ({"switchTo": answer.switch_to} if answer.switch_to else {})
    finished = await services.store.finish_run(
        run_id, state="done", message=message if answer.keep else None, result=result, now=now_ms()
    )
    after_response(
        lambda: services.runs.events.emit_end(accepted.run, 1, "done", stored=finished.message, unstored=message)
    )
    started = ChatSendResult(run_id=run_id, status="started")
    if answer.switch_to:
        started.switch_to = answer.switch_to
    if left_out:
        started.left_out = left_out
    return started


# -- the commands -----------------------------------------------------------------------------------------------------
async def _new(call: Call) -> Answer:
    services = call.services
    settings = {"model": services.providers.models.resolve(call.argument).spec} if call.argument else {}
    if CAP_SWITCH in call.caller.caps:
        present = await services.store.get_session(call.key)
        if present and call.key != services.sessions.main_key() and not present.message_count and not present.settings:
            if settings:
                services.sessions.announce(
                    await services.store.patch_session(call.key, settings, now=now_ms()), "updated"
                )
            return Answer(call.say("new.opened"), keep=False, switch_to=call.key)  # new and empty as it is
        session = await services.store.create_session(new_key(), settings=settings, now=now_ms())
        services.sessions.announce(session, "created")
        return Answer(call.say("new.opened"), keep=False, switch_to=session.key)
    session = await reset(services, call.key)
    if settings:
        session = await services.store.patch_session(call.key, settings, now=now_ms())
    return Answer(call.say("new.transcript", name=services.sessions.model(session).name), keep=False)


async def _reset(call: Call) -> Answer:
    await reset(call.services, call.key)
    return Answer(call.say("reset.done"), keep=False)


async def _clear(call: Call) -> Answer:
    try:
        await clear(call.services, call.key)
    except NotFound:
        return Answer(call.say("clear.empty"), keep=False)
    return Answer(call.say("clear.done", seconds=UNDO_MS // 1000), keep=False)


async def _status(call: Call) -> Answer:
    services = call.services
    session = await services.store.get_session(call.key)
    model = services.sessions.model(session)
    used = session.input_tokens + session.output_tokens if session else 0
    window = model.context_window or 1
    lines = [
        call.say("status.model", name=model.name, provider=model.provider),
        call.say("status.context", used=f"{used:,}", window=f"{window:,}", percent=round(100 * used / window)),
        call.say("status.session", key=call.key, messages=session.message_count if session else 0),
        call.say("status.thinking", level=call.say(f"level.{services.sessions.thinking_level(session)}")),
        call.say("status.queue", queued=len(services.runs.queued(call.key))),
        call.say(
            "status.uptime",
            minutes=(now_ms() - services.host.started_at) // 60_000,
            clients=sum(not of_a_home(client) for client in services.events.connections),
        ),
    ]
    lines.append(call.say("status.channels"))
    info = server_info.read_info(services.config())
    if info is not None and info.tailscale_url:
        lines.append(call.say("status.tailscale", url=info.tailscale_url))
    elif info is not None and info.tailscale_problem:
        facts = {name: str(fact) for name, fact in info.tailscale_problem.items()}
        lines.append(catalogue("server")(call.caller.locale, facts.pop("key", ""), **facts))
    if session and session.total_cost:
        lines.insert(2, call.say("status.cost", dollars=f"{session.total_cost:.4f}"))
    if provider_setup(services)["needsKey"]:
        lines.append(call.say("status.demo"))
    return Answer("\n".join(f"- {line}" for line in lines))


async def _models(call: Call) -> Answer:
    services = call.services
    session = await services.store.get_session(call.key)
    current = services.sessions.model(session)
    rows = [
        f"| {'**' if m.spec == current.spec else ''}`{m.spec}`{'**' if m.spec == current.spec else ''} "
        f"| {m.name} | {m.context_window:,} |"
        for m in await services.providers.models.list()
    ]
    head = f"| {call.say('models.id')} | {call.say('models.name')} | {call.say('models.window')} |\n|---|---|---:|"
    return Answer("\n".join([call.say("models.title"), "", head, *rows, "", call.say("models.hint")]))


async def _model(call: Call) -> Answer:
    services = call.services
    if not call.argument:
        model = services.sessions.model(await services.store.get_session(call.key))
        return Answer(call.say("model.current", name=model.name, spec=model.spec))
    if call.argument in ("default", "auto"):
        session = await services.store.patch_session(call.key, {"model": None}, now=now_ms())
    else:
        await services.providers.models.refresh()
        session = await services.store.patch_session(
            call.key, {"model": services.providers.models.resolve(call.argument).spec}, now=now_ms()
        )
    services.sessions.announce(session, "updated")
    model = services.sessions.model(session)
    return Answer(call.say("model.set", name=model.name, spec=model.spec))


async def _help(call: Call) -> Answer:
    lines = [
        f"- `/{row['name']}{' ' + row['argument'] if row['argument'] else ''}` — {row['description']}"
        for row in rows(call.caller.locale)
    ]
    return Answer("\n".join([call.say("help.title"), "", *lines, "", call.say("help.rest")]))


async def _stop(call: Call) -> Answer:
    stopped = await call.services.runs.abort(call.key, None)
    return Answer("", keep=False, stopped=stopped)


COMMANDS = (
    Command("new", _new, argument="argument.model", choices="models"),
    Command("reset", _reset),
    Command("clear", _clear),
    Command("stop", _stop),
    Command("status", _status),
    Command("models", _models),
    Command("model", _model, argument="argument.model", choices="models"),
    Command("think", think, argument="argument.level", choices=LEVELS["thinkingLevel"], aliases=("thinking", "t")),
    Command("verbose", verbose, argument="argument.level", choices=LEVELS["verboseLevel"], aliases=("v",)),
    Command("reasoning", reasoning, argument="argument.level", choices=LEVELS["reasoningLevel"], aliases=("reason",)),
    Command("usage", usage, argument="argument.level", choices=LEVELS["responseUsage"]),
    Command("compact", compact, argument="argument.instructions"),
    Command("context", context),
    Command("export", export),
    Command("whoami", whoami, aliases=("id",)),
    Command("help", _help, aliases=("commands",)),
)
BY_NAME: Mapping[str, Command] = {name: c for c in COMMANDS for name in (c.name, *c.aliases)}


def rows(locale: str) -> list[dict[str, Any]]:
    """The rows of ``commands.list`` and ``/help``."""
    return [
        {
            "name": c.name,
            "aliases": list(c.aliases),
            "description": t(locale, f"describe.{c.name}"),
            "argument": f"[{t(locale, c.argument)}]" if c.argument else "",
            "args": _args(c, locale),
        }
        for c in COMMANDS
    ]


def _args(command: Command, locale: str) -> list[dict[str, Any]]:
    if not command.argument:
        return []
    arg: dict[str, Any] = {"name": t(locale, command.argument), "required": False}
    if command.choices == "models":
        arg["dynamic"] = True
    elif command.choices:
        arg["choices"] = list(command.choices)
    return [arg]
