"""``clawdbot sessions``: list, search, read, export, open, empty, archive, restore, remove."""

from __future__ import annotations

import codecs
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import click

from ..client.session_title import main_key, title_of
from ..escapes import Cleaner, clean, one_line
from ..protocol.citations import cited, in_lines
from ..protocol.clock import now_ms
from ..protocol.errors import NotFound
from .agent import MODES
from .connection import Target, call, call_listing, gateway_options, json_option, with_client
from .files import attachments, line_of
from .printing import ago, language, note, out, print_json, say, shorten, table, texts

if TYPE_CHECKING:
    from ..client.gateway_client import GatewayClient

key_argument = click.argument("key", default="main")


@click.group("sessions", help=say("help.sessions"))
def group() -> None:
    """See ``help``."""


@group.command("list", help=say("help.sessions.list"))
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help=say("help.sessions.limit"))
@click.option("--search", metavar="TEXT", help=say("help.sessions.search"))
@json_option
@gateway_options
def list_(target: Target, limit: int, search: str | None, as_json: bool) -> None:
    """The sessions, newest first."""
    found, main = call_listing(
        target, "sessions.list", limit=limit, search=search, includeDerivedTitles=True, includeLastMessage=True
    )
    if as_json:
        print_json(found["sessions"])
        return
    if not found["sessions"]:
        note(say("sessions.none"))
        return
    now = now_ms()
    rows = [
        [
            entry["key"],
            shorten(title_of(entry, entry["key"], main, language()), 40),
            str(entry.get("messageCount", "")),
            str(entry.get("model", "")),
            _mode(entry),
            ago(entry.get("updatedAt") or 0, now) + _state(entry),
        ]
        for entry in found["sessions"]
    ]
    table([say(f"sessions.{name}") for name in ("key", "title", "messages", "model", "mode", "updated")], rows)


@group.command("search", help=say("help.sessions.find"))
@click.argument("query", metavar="QUERY")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help=say("help.sessions.limit"))
@json_option
@gateway_options
def search(target: Target, query: str, limit: int, as_json: bool) -> None:
    """Messages with these words, newest first."""
    found, main = call_listing(target, "sessions.search", query=query, limit=limit)
    if as_json:
        print_json(found["hits"])
        return
    if not found["hits"]:
        note(say("sessions.notFound"))
        return
    now = now_ms()
    for hit in found["hits"]:
        title = shorten(title_of(hit, hit["sessionKey"], main, language()), 40)
        place = [hit["sessionKey"], title, ago(hit.get("timestamp") or 0, now)]
        if hit.get("archived"):
            place.append(say("sessions.inArchive", id=hit["sessionId"]))
        out(click.style(one_line(" · ".join(part for part in place if part)), bold=True))
        out(_marked(hit) + "\n")
    if found.get("next"):
        note(say("sessions.moreHits", limit=limit))


def _marked(hit: Mapping[str, Any]) -> str:
    """The snippet with its matches underlined; the wire counts in UTF-16 units."""
    units, pieces, at = str(hit["snippet"]).encode("utf-16-le", "surrogatepass"), [], 0
    for low, high in hit.get("highlights") or ():
        pieces += [(units[at : 2 * low], False), (units[2 * low : 2 * high], True)]
        at = 2 * high
    pieces.append((units[at:], False))
    shown = [(clean(piece.decode("utf-16-le", "replace")), match) for piece, match in pieces]
    return "".join(click.style(text, underline=True) if match else text for text, match in shown)


FORMATS = {"markdown": ".md", "json": ".json", "html": ".html", "ipynb": ".ipynb"}
SHORT = {"md": "markdown"}
"""Further values of ``--format``."""


@group.command("export", help=say("help.sessions.export"))
@key_argument
@click.option(
    "--output", "-o", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help=say("help.sessions.output")
)
@click.option("--format", "format_", type=click.Choice([*FORMATS, *SHORT]), help=say("help.sessions.format"))
@click.option("--transcript", metavar="ID", help=say("help.sessions.transcript"))
@click.option("--embed", is_flag=True, help=say("help.export.embed"))
@gateway_options
def export(
    target: Target, key: str, output: Path | None, format_: str | None, transcript: str | None, embed: bool
) -> None:
    """A transcript as a file, or on standard output."""
    suffix = output.suffix.lower() if output else ""
    by_name = next((name for name, each in FORMATS.items() if each == suffix), "markdown")
    wanted = SHORT.get(format_, format_) if format_ else by_name
    which = {"session_id": transcript} if transcript else {"key": key}

    def taken(write: Callable[[bytes], object]) -> None:
        from ..client.uploads import export as streamed  # with the HTTP client

        with_client(target, lambda client: streamed(client, write, form=wanted, embed=embed, **which))

    if output is None:
        _on_standard_output(taken)
        return
    try:
        with _replaced(output) as file:
            taken(file.write)
    except OSError as error:
        raise click.FileError(str(output), error.strerror) from None
    note(say("sessions.exported", file=str(output)))


@contextmanager
def _replaced(output: Path) -> Iterator[BinaryIO]:
    """The file to write to: at the end it is whole, or as it was before. A pipe or a device gets what comes."""
    if output.exists() and not output.is_file():
        with output.open("wb") as file:
            yield file
        return
    target = output.resolve()  # a link stays one
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    file = partial.open("xb")
    try:
        with file:
            yield file
        if target.exists():
            shutil.copymode(target, partial)
        partial.replace(target)
    finally:
        with suppress(OSError):
            partial.unlink()


def _on_standard_output(taken: Callable[[Callable[[bytes], object]], None]) -> None:
    decoder, cleaner = codecs.getincrementaldecoder("utf-8")("replace"), Cleaner()
    shown = cleaner.feed if sys.stdout.isatty() else str
    taken(lambda data: click.echo(shown(decoder.decode(data)), nl=False))
    click.echo(cleaner.finish(), nl=False)


def _mode(entry: Mapping[str, Any]) -> str:
    mode = str((entry.get("hands") or {}).get("mode") or "")
    return texts("hands")(f"mode.{mode}") if mode in MODES else mode


def _state(entry: Mapping[str, Any]) -> str:
    return f" · {say('sessions.running')}" if entry.get("running") else ""


@group.command("show", help=say("help.sessions.show"))
@key_argument
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help=say("help.sessions.last"))
@click.option("--transcript", metavar="ID", help=say("help.sessions.transcript"))
@click.option("--archived", is_flag=True, help=say("help.sessions.archived"))
@json_option
@gateway_options
def show(target: Target, key: str, limit: int, transcript: str | None, archived: bool, as_json: bool) -> None:
    """The messages of a session, or what is archived under its key."""
    if archived:
        _show_archived(target, key, as_json=as_json)
        return
    which = {"sessionId": transcript} if transcript else {"sessionKey": key}
    history = call(target, "chat.history", limit=limit, **which)
    if "sessionId" not in history and key != "main":
        raise NotFound(say("sessions.nosuch", key=key))
    if as_json:
        print_json(history)
        return
    if not history["messages"]:
        note(say("sessions.empty", key=key))
    if history.get("hasMore"):
        note(say("sessions.more", limit=limit))
    now = now_ms()
    for message in history["messages"]:
        out(click.style(f"{speaker(message)} · {ago(message.get('timestamp') or 0, now)}", bold=True))
        _show_body(message)
    if in_flight := history.get("inFlight"):
        out(click.style(say("sessions.writing"), bold=True))
        _show_text(str(in_flight.get("text", "")))


def speaker(message: Mapping[str, Any]) -> str:
    """Name of a message's author in the terminal."""
    if message.get("role") == "user":
        return say("chat.you")
    return one_line(str(message.get("command") or message.get("model") or say("chat.assistant")))


def _show_body(message: Mapping[str, Any]) -> None:
    for block in attachments(message):
        out(line_of(block))
    text, sources = cited(message)
    _show_text(text, markdown=message.get("role") != "user")
    if sources:
        out("\n".join((say("chat.sources"), *map(clean, in_lines(sources)))))
    if message.get("stopReason") in ("error", "interrupted", "aborted"):
        why = clean(str(message.get("errorMessage") or ""))
        out(click.style(f"[{say('ended.' + message['stopReason'])}{': ' + why if why else ''}]", fg="yellow"))
    out()


def _show_text(text: str, *, markdown: bool = True) -> None:
    """A text of the conversation: for a pipe as it is, on a terminal rendered and wrapped between words."""
    if sys.stdout.isatty() and text:
        from rich.text import Text

        from .chat.markdown import console, rendered

        console(sys.stdout).print(rendered(text) if markdown else Text(clean(text)))
    elif text:
        out(clean(text))


def _show_archived(target: Target, key: str, *, as_json: bool) -> None:
    found = call(target, "sessions.transcripts", key=key)["transcripts"]
    if as_json:
        print_json(found)
        return
    now = now_ms()
    table(
        [say(f"sessions.{name}") for name in ("id", "messages", "archived")],
        [[str(t.get("sessionId", "")), str(t.get("messageCount", "")), _when(t, now)] for t in found],
    )


def _when(transcript: Mapping[str, Any], now: int) -> str:
    if transcript.get("archivedAt") is None:
        return say("sessions.current")
    return ago(int(transcript["archivedAt"]), now)


@group.command("new", help=say("help.sessions.new"))
@click.argument("key", required=False)
@click.option("--label", metavar="TEXT", help=say("help.sessions.label"))
@click.option("--model", metavar="MODEL", help=say("help.sessions.model"))
@json_option
@gateway_options
def new(target: Target, key: str | None, label: str | None, model: str | None, as_json: bool) -> None:
    """Open a session."""
    answer = call(target, "sessions.new", key=key, label=label, model=model)
    _tell(answer, "sessions.opened", as_json=as_json)


@group.command("fork", help=say("help.sessions.fork"))
@key_argument
@click.option("--message", "message_id", metavar="ID", help=say("help.sessions.forkMessage"))
@click.option("--label", metavar="TEXT", help=say("help.sessions.label"))
@json_option
@gateway_options
def fork(target: Target, key: str, message_id: str | None, label: str | None, as_json: bool) -> None:
    """Copy a conversation, up to a message, into a new session."""
    wishes = {name: value for name, value in (("messageId", message_id), ("label", label)) if value is not None}
    _tell(call(target, "sessions.fork", key=key, **wishes), "sessions.opened", as_json=as_json)


@group.command("reset", help=say("help.sessions.reset"))
@key_argument
@json_option
@gateway_options
def reset(target: Target, key: str, as_json: bool) -> None:
    """A new transcript under the same key."""
    _tell(call(target, "sessions.reset", key=key), "sessions.reset", as_json=as_json)


@group.command("clear", help=say("help.sessions.clear"))
@key_argument
@click.option("--undo", is_flag=True, help=say("help.sessions.undo"))
@json_option
@gateway_options
def clear(target: Target, key: str, undo: bool, as_json: bool) -> None:
    """Empty the transcript; ``--undo`` within 10 s takes it back."""
    if undo:
        _tell(call(target, "sessions.undo", key=key), "sessions.undone", as_json=as_json)
    else:
        _tell(call(target, "sessions.clear", key=key), "sessions.cleared", as_json=as_json)


@group.command("restore", help=say("help.sessions.restore"))
@click.argument("session_id", metavar="ID")
@json_option
@gateway_options
def restore(target: Target, session_id: str, as_json: bool) -> None:
    """Make an archived transcript the current one of its session."""
    _tell(call(target, "sessions.restore", sessionId=session_id), "sessions.restored", as_json=as_json)


@group.command("delete", help=say("help.sessions.delete"))
@click.argument("key")
@click.option("--yes", "-y", is_flag=True, help=say("help.yes"))
@click.option("--undo", is_flag=True, help=say("help.sessions.undelete"))
@json_option
@gateway_options
def delete(target: Target, key: str, yes: bool, undo: bool, as_json: bool) -> None:
    """Remove a session; ``--undo`` within 10 s takes it back."""
    if undo:
        _tell(call(target, "sessions.undelete", key=key), "sessions.undone", as_json=as_json)
        return

    async def look(client: GatewayClient) -> tuple[str, bool]:
        found: str = (await client.request("sessions.resolve", {"key": key}))["key"]
        return found, found == main_key(client.hello)

    found, refused = with_client(target, look)  # a connection of its own: a question may stay open for hours
    if not yes and not refused:
        if not sys.stdin.isatty():
            raise click.UsageError(say("sessions.needsYes"))
        click.confirm(say("sessions.confirm", key=found), abort=True)
    _tell(call(target, "sessions.delete", key=found), "sessions.deleted", as_json=as_json)


def _tell(answer: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        out(say(text, key=answer["key"]))


@group.command("mode", help=say("help.sessions.mode"))
@key_argument
@click.argument("mode", required=False, type=click.Choice(MODES))
@click.option("--notebook", metavar="PATH", help=say("help.mode.notebook"))
@click.option("--minutes", type=click.IntRange(1, 1440), metavar="MINUTES", help=say("help.mode.minutes"))
@json_option
@gateway_options
def mode_(target: Target, key: str, mode: str | None, notebook: str | None, minutes: int | None, as_json: bool) -> None:
    """Show or set how much may be done in a session without asking."""

    async def work(client: GatewayClient) -> Mapping[str, Any]:
        if mode is not None:
            from ..client.approvals import Mode

            wanted = cast("Mode", mode)
            return await client.approvals.set_mode(wanted, session_key=key, notebook=notebook or "", minutes=minutes)
        found = (await client.request("sessions.resolve", {"key": key}))["key"]
        rows = (await client.request("sessions.list", {"search": found}))["sessions"]
        entry: Mapping[str, Any] = next((row for row in rows if row["key"] == found), {})
        return entry.get("hands") or {}

    hands = with_client(target, work)
    if as_json:
        print_json({"key": key, "hands": hands})
        return
    from .approval_view import is_alarming, mode_text

    now = say("sessions.modeNow", mode=mode_text(hands) or "-")
    out(click.style(now, fg="red") if is_alarming(hands) else now)
