"""``clawdbot chat``: a conversation in the terminal.

Three states follow each other: the line is edited (``chat_input``; what happens elsewhere is printed above it), the
message is sent, the reply grows (``markdown.GrowingReply``; keys stop it). The connection is taken up again whenever it
is lost, and what was missed is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ...client.errors import MALFORMED, ClientError, ConnectionLost, NotUnderstood
from ...client.events import Event
from ...client.session_title import full_key
from ...config import load
from ...escapes import clean, one_line
from ...protocol.errors import GatewayError
from ...protocol.keys import short_key
from .. import exit_codes, files
from ..approval_prompt import Terminal
from ..approval_view import is_alarming, mode_text
from ..connection import Target, gateway_options, keep_quiet, understood
from ..printing import is_terminal, language, out, say
from .attachments import PendingFiles
from .hands import HandsCommands
from .questions import Questions
from .steering import Steering, wish

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ...client.gateway_client import GatewayClient
    from ...client.reply import Chunk, Notice, ReplyEnd
    from .markdown import GrowingReply

HISTORY_LIMIT = 50
SOON_FAILURES = 4
"""Attempts to come back before it is said what one can do; a takeover by another process needs fewer."""
MAX_TASKS = 1000
"""Lines that wait to be printed; a gateway that sends more is heard again from its history."""
LEAVE = ("/quit", "/exit")
SHOWN_CHANGES = ("reset", "cleared", "restored", "deleted")
"""Reasons of ``session.changed`` that are told."""


class QuestionCame(Exception):
    """The line that is edited is empty, and a question wants its place."""


@click.command("chat", help=say("help.chat"), short_help=say("short.chat"))
@click.option("--session", default="main", show_default=True, metavar="KEY", help=say("help.session"))
@gateway_options
def command(target: Target, session: str) -> None:
    """Talk until Ctrl+D."""
    if not is_terminal():
        raise click.UsageError(say("chat.needsTerminal"))
    from ...client.gateway_client import CAPS, GatewayClient
    from ...config import Config

    config: Config = load()
    endpoint = target.locate()
    keep_quiet()

    async def main() -> None:
        client = GatewayClient(
            endpoint,
            caps=(*CAPS, "session.switch"),
            locale=language(),
            mode="ui",
            display_name="clawdbot chat",
            locate=target.again(),
        )
        async with client:
            await Chat(client, session, config.home).run()

    asyncio.run(main())
    out(say("chat.bye"))


class Chat:
    """One conversation and where it stands."""

    def __init__(self, client: GatewayClient, session: str, home: Any):
        from ..reading import read_line
        from .input import Commands, prompt_session
        from .markdown import console

        self._client, self._key = client, session
        self._console = console(sys.stdout)
        self._commands = Commands()
        self._reply: GrowingReply | None = None
        self._editor = prompt_session(home, self._commands, self._toolbar)
        self._shown: set[str] = set()
        """Ids of the messages that are on the screen."""
        self._own: set[str] = set()
        """Runs that were started here."""
        self._busy = False
        """Another client's message is being answered in this session."""
        self._typed = ""
        """Lines typed while a reply was being written."""
        self._files = PendingFiles(self._say)
        self._pictures: dict[str, bytes] = {}
        """Small pictures of images that are shown, by media id."""
        self._failed: GatewayError | None = None
        self._malformed = False
        """An event was not of the protocol."""
        self._tasks: set[asyncio.Task[None]] = set()
        terminal = Terminal(self._print, read_line)
        self._questions = Questions(client, terminal, lambda: self._key, self._abort)
        self._hands = HandsCommands(client, terminal, lambda: self._key, self._questions)
        self._steering = Steering(client, lambda: self._key, self._own, self._print, self._start)
        self._unsubscribe = client.subscribe(self._apply_event)

    async def run(self) -> None:
        """Talk until the user leaves. Raises ``GatewayError`` when the gateway does not take us back."""
        from ..reading import keys_as_typed

        try:
            with keys_as_typed():
                await self._open()
                while (text := await self._edit()) is not None:
                    if text and not await self._command(text):
                        await self._send(text)
        finally:
            self._unsubscribe()  # that the connection ends now is no news
            for task in self._tasks:
                task.cancel()

    # -- showing ----------------------------------------------------------------------------------------------------
    async def _open(self) -> None:
        """Show where we are and what was said; take up a reply that is being written."""
        from . import view

        self._key = full_key(self._key, self._client.hello)
        listed = await self._client.request("commands.list", {"sessionKey": self._key})
        self._commands.rows = [*listed["commands"], *view.own_commands()]
        history = await self._history()
        rows = await self._client.request("sessions.list", {"search": self._key, "includeDerivedTitles": True})
        row = next((row for row in rows["sessions"] if row["key"] == self._key), None)
        self._hands.hands = (row or {}).get("hands") or {}
        self._print(view.header(self._key, row, self._client.hello))
        await self._fetch_pictures(history["messages"][-view.TAIL_MESSAGES :])
        self._print(view.tail(history, self._pictures))
        self._remember(history["messages"])
        self._print(view.queued_lines(history.get("queued") or ()))
        await self._questions.sync()
        if in_flight := history.get("inFlight"):
            self._own.add(in_flight["runId"])
            await self._show_reply(in_flight["runId"], self._client.follow(in_flight["runId"], session_key=self._key))

    async def _history(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self._client.request(
            "chat.history", {"sessionKey": self._key, "limit": HISTORY_LIMIT}
        )
        return found

    def _remember(self, messages: Sequence[Mapping[str, Any]]) -> None:
        self._shown.update(str(message["id"]) for message in messages if "id" in message)

    def _print(self, lines: Sequence[RenderableType]) -> None:
        """Print above the line that is edited or the reply that grows, whichever there is."""
        from prompt_toolkit.application import get_app_or_none, run_in_terminal

        from .view import print_all

        if not lines:
            return
        app = get_app_or_none()
        if app is not None and app.is_running:
            self._start(_done(run_in_terminal(lambda: print_all(self._console, lines))))
        else:
            print_all(self._console, lines)

    def _say(self, text: str, style: str = "dim") -> None:
        from .view import notice

        self._print([notice(text, style)])

    def _toolbar(self) -> list[tuple[str, str]]:
        state = say("chat.lost") if not self._client.connected else say("chat.busy") if self._busy else say("chat.keys")
        if waiting := self._questions.waiting:
            state = say("chat.waits", count=waiting)
        mode = ("ansired bold" if is_alarming(self._hands.hands) else "", mode_text(self._hands.hands))
        parts = [("", clean(short_key(self._key))), mode, ("", state)]
        shown = [part for part in parts if part[1]]
        return [piece for number, part in enumerate(shown) for piece in (("", " · " if number else " "), part)]

    # -- editing ----------------------------------------------------------------------------------------------------
    async def _edit(self) -> str | None:
        """The next message; empty if there is none after all, ``None`` to leave."""
        from .input import PROMPT, leave_hint

        typed, self._typed = self._typed, ""
        hinted = False
        while True:
            if self._failed:
                raise self._failed
            if self._questions.due:
                await self._ask_questions()
            try:
                text = (await self._editor.prompt_async(PROMPT, default=typed, pre_run=self._begun)).strip()
            except QuestionCame:
                typed = ""
                continue
            except EOFError:
                if self._failed:
                    raise self._failed from None
                return None
            except KeyboardInterrupt:
                if not self._editor.default_buffer.text and hinted:
                    return None
                hinted, typed = True, ""
                self._say(leave_hint())
                continue
            self._console.print()
            if self._questions.due:
                typed = text  # it was written before the question: the question first
                continue
            return None if text in LEAVE else text

    async def _ask_questions(self) -> None:
        try:
            await self._questions.ask_all()
        except (GatewayError, ClientError) as exc:
            self._say(exit_codes.explain(exc)[1], "red")

    async def _command(self, text: str) -> bool:
        """Do what is done here rather than sent; ``False`` for any other line."""
        if self._files.run(text):
            return True
        try:
            with understood():
                return await self._hands.run(text)
        except (GatewayError, ClientError) as exc:
            self._say(exit_codes.explain(exc)[1], "red")
            return True

    # -- asking -----------------------------------------------------------------------------------------------------
    async def _send(self, line: str) -> None:
        now = wish(line)
        text = line if now is None else now
        if not text:
            self._steering.take(line)
            return
        run_id = str(uuid.uuid4())
        self._own.add(run_id)
        sent = self._files.pop_all()
        for path in sent:
            self._say(f"📎 {path.name}", "dim")
        asking = self._client.ask(
            text,
            session_key=self._key,
            run_id=run_id,
            attachments=sent,
            on_upload=self._uploaded,
            when=None if now is None else "now",
        )
        try:
            with understood():
                end = await self._show_reply(run_id, asking)
        except (GatewayError, ClientError, OSError) as exc:
            code, problem = exit_codes.explain(exc)
            if code == exit_codes.UNAUTHORIZED:
                raise
            self._say(problem, "red")
            self._files.paths, self._typed = sent, line if sent else ""  # nothing of it is lost
            return
        for unread in await self._steering.pop_unread():
            await self._show_reply(unread, self._client.follow(unread, session_key=self._key))
        if end is not None and end.left_out:  # it was a command: they wait for the next message
            self._files.paths = sent
            self._files.tell_waiting()
        if end is not None and end.switch_to:
            self._key, self._busy, self._hands.hands = end.switch_to, False, {}
            await self._questions.sync()
            self._say(say("chat.switched", session=self._key))

    async def _show_reply(self, run_id: str, items: AsyncIterator[Chunk | Notice | ReplyEnd]) -> ReplyEnd | None:
        """Draw a reply until its end, or until Ctrl+C or Esc was pressed twice."""
        from . import view
        from .feed import feed
        from .input import watch_keys
        from .markdown import GrowingReply

        left = asyncio.Event()
        presses = 0

        def stop() -> None:
            nonlocal presses
            presses += 1
            if presses == 1:
                self._start(self._stop(reply.run_id))
            else:
                left.set()

        with GrowingReply(self._console) as reply:
            reply.run_id, self._reply = run_id, reply
            reading = asyncio.ensure_future(feed(items, reply, lambda: presses > 0, self._folded))
            leaving = asyncio.ensure_future(left.wait())
            while not reading.done() and not left.is_set():
                asking = asyncio.ensure_future(self._questions.wait())
                with watch_keys(stop, reply.show_typed, self._steering.take) as typed:
                    await asyncio.wait({reading, leaving, asking}, return_when=asyncio.FIRST_COMPLETED)
                self._typed = (self._typed + "".join(typed)).strip("\n")
                if not asking.cancel() and not reading.done() and not left.is_set():
                    with reply.paused():
                        await self._ask_questions()
            leaving.cancel()
            if not reading.done():
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
            end = None if reading.cancelled() else reading.result()
        self._typed = f"{self._typed}\n{self._steering.given_back}".strip("\n")
        self._steering.given_back = ""
        if end is None:
            self._say(say("chat.left"))
            return None
        if end.nothing:
            self._say(say("chat.nothing"))
        self._remember([end.message] if end.message else [])
        self._print(view.end_lines(end))
        return end

    def _folded(self, into: str) -> None:
        """A running reply has read the message that was asked with: its end is ours to show."""
        self._own.add(into)
        self._say(say("chat.folded"))

    async def _stop(self, run_id: str) -> None:
        await self._steering.stop(self._abort)  # first: what was for the reply is no message to answer after it
        await self._abort(run_id)

    def _uploaded(self, name: str, part: float) -> None:
        if self._reply is not None:
            self._reply.status = say("notice.upload", name=clean(name), percent=round(part * 100))

    async def _fetch_pictures(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Get small pictures of the images in messages that are about to be shown, where the terminal shows any."""
        from ...client.uploads import download
        from .images import protocol

        if protocol() is None or not self._client.bearer:
            return
        for block in [block for message in messages for block in files.attachments(message)]:
            if block.get("type") == "image" and block["mediaId"] not in self._pictures:
                with contextlib.suppress(GatewayError, ClientError):
                    self._pictures[block["mediaId"]] = await download(self._client, block["mediaId"], thumbnail=True)

    async def _abort(self, run_id: str) -> None:
        with contextlib.suppress(ClientError, GatewayError):
            await self._client.request("chat.abort", {"sessionKey": self._key, "runId": run_id})

    # -- hearing ----------------------------------------------------------------------------------------------------
    def _apply_event(self, event: Event) -> None:
        """Hear an event; one that is not of the protocol is left out, and that is said once."""
        if len(self._tasks) > MAX_TASKS and event.name != "client.lost":
            raise ConnectionLost(1008, "more events than can be shown")
        try:
            self._heard(event)
        except (*MALFORMED, NotUnderstood):
            if not self._malformed:
                self._malformed = True
                self._say(say("chat.malformed"), "yellow")

    def _heard(self, event: Event) -> None:
        """Something happened at the gateway; what concerns this session and is not ours is shown."""
        name, payload = event
        if name == "client.lost":
            self._busy = False
            self._start(self._come_back())
        elif name == "shutdown":
            self._say(say("chat.shutdown"), "yellow")
        elif name == "exec.approval.requested":
            self._asked(payload)
        elif self._steering.heard(name, payload):
            return
        elif self._hands.heard(name, payload):
            self._editor.app.invalidate()
        elif payload.get("sessionKey", payload.get("key")) != self._key or payload.get("runId") in self._own:
            return
        elif name == "session.message":
            self._show_message(payload.get("message") or {})
        elif name == "session.changed" and payload.get("reason") in SHOWN_CHANGES:
            self._say(say(f"chat.{payload['reason']}"))
        elif name == "agent" and (payload.get("data") or {}).get("phase") == "start":
            self._busy = True
            self._editor.app.invalidate()
        elif name == "chat" and payload.get("state") != "delta":
            self._busy = False
            self._editor.app.invalidate()
            self._show_end(payload)

    def _begun(self) -> None:
        """The line is being edited from now on: a question that came just before is due."""
        asyncio.get_running_loop().call_soon(self._give_way)

    def _give_way(self) -> None:
        """End the editing of an empty line for a question that is due."""
        app = self._editor.app
        if self._questions.due and app.is_running and not app.is_done and not self._editor.default_buffer.text:
            app.exit(exception=QuestionCame())

    def _asked(self, record: Mapping[str, Any]) -> None:
        """A question: asked at once where no line is being written, else shown above it and asked after it."""
        approval = self._questions.requested(record)
        if approval is not None and self._editor.app.is_running and self._editor.default_buffer.text:
            self._say(say("chat.asksLater", title=one_line(approval.title)), "yellow")
        self._give_way()

    def _show_message(self, message: Mapping[str, Any]) -> None:
        from .view import message_lines

        if message.get("runId") not in self._own and message.get("id") not in self._shown:
            self._remember([message])
            self._print(message_lines(message, who=True, pictures=self._pictures))

    def _show_end(self, payload: Mapping[str, Any]) -> None:
        """Show the end of another client's run: its message was shown as such, unless it is no part of the
        transcript."""
        message = payload.get("message")
        if isinstance(message, dict):
            self._show_message(message)
        elif payload.get("state") == "error":
            self._say(f"{say('ended.error')} {payload.get('errorMessage') or ''}".strip(), "red")

    async def _come_back(self) -> None:
        """Reconnect, wherever the gateway is then, and show what was missed."""
        self._say(say("chat.lostLine"), "yellow")
        was, failures = self._client.endpoint.page_url, itertools.count(1)

        def failed(_problem: ClientError, _wait_s: float) -> None:
            if next(failures) == SOON_FAILURES:
                self._say(say("chat.away"))

        try:
            await self._client.reconnect(failed)
            history = await self._history()
            with understood():
                await self._questions.sync()
                missed = list(history["messages"])
        except NotUnderstood as exc:
            self._say(exit_codes.explain(exc)[1], "red")
            return
        except ClientError:
            return  # lost again: that has its own task
        except GatewayError as exc:
            self._failed = exc
            if self._editor.app.is_running:
                self._editor.app.exit(exception=EOFError())
            return
        now = self._client.endpoint.page_url
        self._say(say("chat.back") if now == was else say("chat.moved", url=now), "green")
        for message in missed:
            self._apply_event(Event("session.message", {"sessionKey": self._key, "message": message}))

    def _start(self, work: Awaitable[None]) -> asyncio.Future[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _done(work: Any) -> None:
    await work
