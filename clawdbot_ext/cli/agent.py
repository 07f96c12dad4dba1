"""``clawdbot agent``: one question, one answer, for scripts and pipes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..client.errors import ClientError
from ..escapes import clean, one_line
from ..protocol.citations import cited
from ..protocol.errors import GatewayError
from . import exit_codes, piped, printing
from .connection import Target, gateway_options, json_option, with_client
from .files import ExistingFile
from .printing import fail, note, print_json, say, texts
from .reply_printer import Printer, printer_for

if TYPE_CHECKING:
    from ..client.approvals import Approval
    from ..client.gateway_client import GatewayClient
    from ..client.reply import Notice, ReplyEnd
    from .agent_permission import Permission

MODES = ("chat", "read", "plan", "ask", "edits", "notebook", "unattended")
"""As ``client.approvals.MODES``, which is loaded with the client only."""
ABORT_TIMEOUT_S = 5.0
PATIENCE_S = 60.0
"""Time that a gateway may be away in the middle of a reply: longer than a restart takes."""


@click.command("agent", help=say("help.agent"), short_help=say("short.agent"))
@click.option("-m", "--message", help=say("help.agent.message"))
@click.option(
    "--attach",
    "files",
    multiple=True,
    metavar="FILE",
    help=say("help.agent.attach"),
    type=ExistingFile(),
)
@click.option("--session", default="main", show_default=True, metavar="KEY", help=say("help.session"))
@click.option("--thinking", type=click.Choice(["off", "minimal", "low", "medium", "high"]), help=say("help.thinking"))
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help=say("help.agent.timeout"),
)
@click.option("--allow", "rules", multiple=True, metavar="TOOL[:PATH]", help=say("help.agent.allow"))
@click.option("--mode", type=click.Choice(MODES), help=say("help.agent.mode"))
@click.option("--notebook", default="", metavar="PATH", help=say("help.mode.notebook"))
@click.option("--wait", is_flag=True, help=say("help.agent.wait"))
@click.option("--now", is_flag=True, help=say("help.agent.now"))
@json_option
@gateway_options
def command(
    target: Target,
    message: str | None,
    files: tuple[Path, ...],
    session: str,
    thinking: str | None,
    timeout: float,
    rules: tuple[str, ...],
    mode: str | None,
    notebook: str,
    wait: bool,
    now: bool,
    as_json: bool,
) -> None:
    """Ask once, print the reply, exit with how it went."""
    started = time.monotonic()
    given = piped.read(timeout)
    text = _with_input(message, given.text)
    attached: list[Path | tuple[str, bytes]] = [*files, *([given.file] if given.file else [])]
    if not text and not attached:
        raise click.UsageError(say("agent.noMessage"))
    run_id = str(uuid.uuid4())

    refused: list[Approval] = []

    async def work(client: GatewayClient) -> tuple[ReplyEnd | None, str]:
        from .agent_permission import Permission, mode_of_session

        printer = printer_for(sys.stdout, quiet=as_json)
        permission = Permission(client, rules, wait=wait, before_asking=printer.end_line)
        try:
            async with mode_of_session(client, session, mode, notebook):
                asking = _ask(client, text, attached, session, thinking, run_id, printer, permission, now=now)
                left = max(0.1, timeout - (time.monotonic() - started))
                return await asyncio.wait_for(asking, left), printer.text
        except asyncio.TimeoutError:
            await _abort(client, session, run_id)
            return None, printer.text
        except asyncio.CancelledError:  # Ctrl+C
            await _abort(client, session, run_id)
            raise
        finally:
            refused.extend(permission.refused)
            printer.finish()

    end, streamed = with_client(target, work)
    code = _exit_code(end)
    if refused and code == exit_codes.OK:
        code = exit_codes.PERMISSION
    if as_json:
        print_json(_report(end, streamed, session, run_id, refused))
    elif refused:
        tools = " ".join(f"--allow {tool}" for tool in dict.fromkeys(each.tool for each in refused) if tool)
        titles = "; ".join(one_line(each.title) for each in refused)
        fail(texts("hands")("agent.refused", titles=titles, allow=tools or "--wait"))
    elif end is None:
        fail(say("agent.timeout", seconds=f"{timeout:g}"))
    elif end.state == "error":
        hint = end.error.get("hint") or ""
        fail("\n".join(clean(line) for line in (end.error_message or say("agent.failed"), str(hint)) if line))
    elif end.state == "aborted":
        note(say("agent.stopped"))
    elif end.nothing:
        note(say("chat.nothing"))
    raise click.exceptions.Exit(code)


def _with_input(message: str | None, piped: str) -> str:
    """The message, with what is piped in after it."""
    parts = [part.encode("utf-8", "replace").decode() for part in (message or "", piped) if part.strip()]
    return "\n\n".join(parts)


async def _ask(
    client: GatewayClient,
    text: str,
    files: Sequence[Path | tuple[str, bytes]],
    session: str,
    thinking: str | None,
    run_id: str,
    printer: Printer,
    permission: Permission,
    *,
    now: bool,
) -> ReplyEnd | None:
    from ..client.reply import Chunk, ReplyEnd

    async for item in client.ask(
        text,
        session_key=session,
        thinking=thinking,
        run_id=run_id,
        patience_s=PATIENCE_S,
        attachments=files,
        when="now" if now else None,
        on_approval=permission.decide,
    ):
        if isinstance(item, ReplyEnd):
            rest = item.text
            if not printer.text.startswith(rest):  # a command's answer, or what a lost connection kept from us
                known = rest.startswith(printer.text)
                printer.append(rest[len(printer.text) :] if known else rest, replaces=not known)
            printer.end(item.message or {})
            return item
        if isinstance(item, Chunk):
            if item.part == "text":
                printer.append(item.text, replaces=item.replaces)
        else:
            if item.kind == "tool" and item.facts.get("phase") == "start":
                printer.begin_again()
            _tell(item, printer)
    return None


def _tell(notice: Notice, printer: Printer) -> None:
    def note(text: str) -> None:
        printer.end_line()
        printing.note(text)

    facts = notice.facts
    if notice.kind == "queued":
        note(say("notice.queued", position=facts["position"]))
    elif notice.kind == "folded":
        note(say("chat.folded"))
    elif notice.kind == "lost":
        note(say("notice.lost"))
    elif notice.kind == "tool":
        if facts.get("phase") == "start":
            note(say("notice.tool", title=one_line(str(facts.get("title") or facts.get("name")))))
    elif notice.kind == "media":
        if facts.get("phase") in ("start", "error"):
            note(one_line(media_notice(facts)))
    elif notice.kind in ("approval", "resolved"):
        return  # asked by `Permission`
    else:
        note(one_line(retry_notice(facts)))


def retry_notice(facts: Mapping[str, Any]) -> str:
    """Why there is no answer yet, and when the next try is."""
    reason = str(facts.get("reason", ""))
    kind = {"connect": ".connect", "rate_limit": ".limited", "overloaded": ".limited"}.get(reason, "")
    return say(
        f"notice.retry{kind}",
        reason=reason,
        attempt=facts.get("attempt", "?"),
        most=facts.get("maxAttempts", "?"),
        seconds=max(1, round(facts.get("waitMs", 0) / 1000)),
    )


def media_notice(facts: Mapping[str, Any]) -> str:
    """Progress of an attachment, in a line."""
    phase = str(facts.get("phase"))
    known = phase if phase in ("start", "progress", "error", "done") else "start"
    return say(f"notice.media.{known}", name=facts.get("name", ""), detail=facts.get("detail", ""))


async def _abort(client: GatewayClient, session: str, run_id: str) -> None:
    """Ask the gateway to stop; if it cannot be asked, it goes on without us."""
    with contextlib.suppress(ClientError, GatewayError):
        await client.request("chat.abort", {"sessionKey": session, "runId": run_id}, timeout_s=ABORT_TIMEOUT_S)


def _exit_code(end: ReplyEnd | None) -> int:
    if end is None or end.state == "aborted" or (end.message or {}).get("stopReason") == "interrupted":
        return exit_codes.INTERRUPTED
    return exit_codes.FAILED if end.state == "error" else exit_codes.OK


def _report(
    end: ReplyEnd | None, streamed: str, session: str, run_id: str, refused: Sequence[Approval]
) -> dict[str, Any]:
    """The output of ``--json``."""
    message = dict((end and end.message) or {})
    interrupted = message.get("stopReason") == "interrupted"
    states = {"final": "ok", "aborted": "aborted", "error": "interrupted" if interrupted else "error"}
    report: dict[str, Any] = {
        "status": states[end.state] if end else "timeout",
        "runId": run_id,
        "session": session,
        "text": (end.text if end else "") or streamed,
    }
    if end is not None and end.error_message:
        report["error"] = {"message": end.error_message, **end.error}
    if refused:
        calls = [{"tool": each.tool, "title": each.title, "path": each.path} for each in refused]
        report |= {"status": "refused"} if report["status"] == "ok" else {}
        report["refused"] = calls
        report.setdefault("error", {"code": "PERMISSION_NEEDED", "message": texts("hands")("agent.needsPerson")})
    if sources := cited(message)[1]:
        report["sources"] = [{"title": each.title, "url": each.url} for each in sources]
    kept = ("model", "provider", "usage", "stopReason", "command", "demo")
    return report | {name: message[name] for name in kept if name in message}
