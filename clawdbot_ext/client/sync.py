"""The synchronous face of ``GatewayClient``: a loop of its own in a thread, for widgets, magics and scripts.

Every method may be called from any thread except the loop's own; callbacks of ``subscribe`` run on the loop's thread.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from .approvals import Approval, Approvals, Decision, Grant, Mode, OnApproval, settle
from .changes import Change, Changes, UndoResult
from .endpoint import Endpoint
from .errors import Closed
from .events import Event
from .gateway_client import CAPS, GatewayClient
from .limits import REQUEST_TIMEOUT_S
from .reply import Chunk, Notice, ReplyEnd, ReplyFailed, When, whole
from .uploads import AttachmentInput, attach, ready

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")
JOIN_TIMEOUT_S = 5.0


class SyncClient:
    """A connected client. Use it as a context manager or call ``close``."""

    def __init__(self, client: GatewayClient):
        """Start the loop and connect. Raises as ``GatewayClient.connect``."""
        self._client = client
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="clawdbot client", daemon=True)
        self._thread.start()
        try:
            self._call(client.connect())
        except BaseException:
            self.close()
            raise

    @property
    def hello(self) -> Mapping[str, Any]:
        """The payload of ``hello-ok``."""
        return self._client.hello

    @property
    def connected(self) -> bool:
        return self._client.connected

    @property
    def endpoint(self) -> Endpoint:
        return self._client.endpoint

    @property
    def bearer(self) -> Mapping[str, str]:
        """The credential as a header, where there is one that fits."""
        return self._client.bearer

    @property
    def page_url(self) -> str:
        """The gateway's folder in a browser, with a slash at its end."""
        return self._client.endpoint.page_url

    def request(
        self, method: str, params: Mapping[str, Any] | None = None, *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> Any:
        """As ``GatewayClient.request``."""
        return self._call(self._client.request(method, params, timeout_s=timeout_s))

    def ask(
        self,
        text: str,
        *,
        session_key: str = "main",
        thinking: str | None = None,
        run_id: str | None = None,
        attachments: Sequence[AttachmentInput] = (),
        model: str | None = None,
        mode: str | None = None,
        when: When | None = None,
        on_approval: OnApproval | None = None,
        patience_s: float | None = None,
    ) -> Iterator[Chunk | Notice | ReplyEnd]:
        """As ``GatewayClient.ask``; ``on_approval`` is called in this thread, between two items."""
        files = ready(attachments)
        items: queue.SimpleQueue[Chunk | Notice | ReplyEnd | BaseException] = queue.SimpleQueue()

        async def pump() -> None:
            async for item in self._client.ask(
                text,
                session_key=session_key,
                thinking=thinking,
                run_id=run_id,
                attachments=files,
                model=model,
                mode=mode,
                when=when,
                patience_s=patience_s,
            ):
                items.put(item)

        task = self._start(pump())
        task.add_done_callback(lambda done: items.put(error) if (error := self._error(done)) else None)
        try:
            while True:
                item = items.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
                if isinstance(item, ReplyEnd):
                    return
                if isinstance(item, Notice) and item.kind == "folded":
                    on_approval = None  # as ``decided_by``
                if on_approval is not None and isinstance(item, Notice) and item.kind == "approval":
                    self._decide(Approval.from_wire(item.facts), on_approval)
        finally:
            task.cancel()

    def _decide(self, approval: Approval, on_approval: OnApproval) -> None:
        decision = on_approval(approval)
        if decision is not None:
            self._call(_settled(self._client, approval.id, decision))

    def send(
        self,
        text: str,
        attachments: Sequence[AttachmentInput] = (),
        *,
        session_key: str = "main",
        thinking: str | None = None,
        model: str | None = None,
        mode: str | None = None,
        when: When | None = None,
        on_approval: OnApproval | None = None,
    ) -> ReplyEnd:
        """As ``GatewayClient.send``; ``on_approval`` is called in this thread."""
        for item in self.ask(
            text,
            session_key=session_key,
            thinking=thinking,
            attachments=attachments,
            model=model,
            mode=mode,
            when=when,
            on_approval=on_approval,
        ):
            if isinstance(item, ReplyEnd):
                if item.state == "error":
                    raise ReplyFailed(item)
                return item
        raise AssertionError("unreachable: the last item is the end")

    def submit(
        self,
        text: str,
        attachments: Sequence[AttachmentInput] = (),
        *,
        session_key: str = "main",
        run_id: str | None = None,
        model: str | None = None,
        when: When | None = None,
    ) -> Future[ReplyEnd]:
        """Send a message and go on: the future has the end of its reply. Raises, from there, as ``send``."""
        return self._start(
            whole(
                self._client.ask(
                    text,
                    session_key=session_key,
                    run_id=run_id,
                    attachments=ready(attachments),
                    model=model,
                    when=when,
                )
            )
        )

    @property
    def approvals(self) -> SyncApprovals:
        """As ``GatewayClient.approvals``."""
        return SyncApprovals(self._client.approvals, self._call)

    @property
    def changes(self) -> SyncChanges:
        """As ``GatewayClient.changes``."""
        return SyncChanges(self._client.changes, self._call)

    def attach(self, files: Sequence[AttachmentInput]) -> list[dict[str, Any]]:
        """Store files at the gateway; what ``chat.send`` takes for them. Raises as ``client_media.attach``."""
        return self._call(attach(self._client, ready(files)))

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """As ``GatewayClient.subscribe``; ``callback`` runs on the client's thread and must not call the client."""

        async def register() -> Callable[[], None]:
            return self._client.subscribe(callback)

        stop = self._call(register())

        def unsubscribe() -> None:
            if not self._closed:
                self._loop.call_soon_threadsafe(stop)

        return unsubscribe

    def close(self) -> None:
        """End the connection and the thread. May be called twice; what waits in another thread fails with
        ``Closed``."""
        if self._closed:
            return
        self._closed = True
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(JOIN_TIMEOUT_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _finish(self) -> None:
        await self._client.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Have ``work`` done on the loop. Raises ``Closed``."""
        if self._closed:
            work.close()
            raise Closed
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._start(work).result()
        except CancelledError:
            if self._closed:
                raise Closed from None
            raise

    def _error(self, done: Future[None]) -> BaseException | None:
        if done.cancelled():
            return Closed() if self._closed else CancelledError()
        return done.exception()


async def _settled(client: GatewayClient, approval_id: str, decision: Decision | Awaitable[Decision | None]) -> None:
    """Decide as ``decision`` says, which an asynchronous callback gives later."""
    made = decision if isinstance(decision, Decision) else await decision
    if made is not None:
        await settle(client, approval_id, made)


class SyncApprovals:
    """The synchronous face of ``Approvals``."""

    def __init__(self, approvals: Approvals, call: Callable[[Coroutine[Any, Any, Any]], Any]):
        self._approvals, self._call = approvals, call

    def list(self, session_key: str = "") -> Sequence[Approval]:
        """As ``Approvals.list``."""
        found: Sequence[Approval] = self._call(self._approvals.list(session_key))
        return found

    def resolve(self, approval_id: str, decision: Decision) -> None:
        """As ``Approvals.resolve``."""
        self._call(self._approvals.resolve(approval_id, decision))

    def grants(self) -> Sequence[Grant]:
        """As ``Approvals.grants``."""
        found: Sequence[Grant] = self._call(self._approvals.grants())
        return found

    def revoke(self, grant_id: str) -> None:
        """As ``Approvals.revoke``."""
        self._call(self._approvals.revoke(grant_id))

    def set_mode(
        self, mode: Mode | None, *, session_key: str = "main", notebook: str = "", minutes: int | None = None
    ) -> Mapping[str, Any]:
        """As ``Approvals.set_mode``."""
        now: Mapping[str, Any] = self._call(
            self._approvals.set_mode(mode, session_key=session_key, notebook=notebook, minutes=minutes)
        )
        return now


class SyncChanges:
    """The synchronous face of ``Changes``."""

    def __init__(self, changes: Changes, call: Callable[[Coroutine[Any, Any, Any]], Any]):
        self._changes, self._call = changes, call

    def list(self, *, session_key: str = "", path: str = "", limit: int | None = None) -> Sequence[Change]:
        """As ``Changes.list``."""
        found: Sequence[Change] = self._call(self._changes.list(session_key=session_key, path=path, limit=limit))
        return found

    def undo(self, change_id: str, *, force: bool = False, cells: Sequence[str] | None = None) -> UndoResult:
        """As ``Changes.undo``."""
        done: UndoResult = self._call(self._changes.undo(change_id, force=force, cells=cells))
        return done

    def keep(self, change_id: str) -> None:
        """As ``Changes.keep``."""
        self._call(self._changes.keep(change_id))


def connect(endpoint: Endpoint, *, locale: str | None = None, caps: Sequence[str] = CAPS) -> SyncClient:
    """A connected synchronous client, for widgets and magics. Raises as ``GatewayClient.connect``."""
    from .sync import SyncClient

    return SyncClient(GatewayClient(endpoint, caps=caps, locale=locale))
