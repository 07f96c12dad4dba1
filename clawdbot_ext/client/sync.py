"""The synchronous face of ``GatewayClient``: a loop of its own in a thread, for widgets, magics and scripts.

Every method may be called from any thread except the loop's own; callbacks of ``subscribe`` run on the loop's thread.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from .endpoint import Endpoint
from .errors import Closed
from .events import Event
from .gateway_client import CAPS, REQUEST_TIMEOUT_S, GatewayClient
from .reply import Chunk, Notice, ReplyEnd, whole
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
        patience_s: float | None = None,
    ) -> Iterator[Chunk | Notice | ReplyEnd]:
        """As ``GatewayClient.ask``."""
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
        finally:
            task.cancel()

    def send(
        self,
        text: str,
        attachments: Sequence[AttachmentInput] = (),
        *,
        session_key: str = "main",
        thinking: str | None = None,
        model: str | None = None,
    ) -> ReplyEnd:
        """As ``GatewayClient.send``."""
        files = ready(attachments)
        return self._call(self._client.send(text, files, session_key=session_key, thinking=thinking, model=model))

    def submit(
        self,
        text: str,
        attachments: Sequence[AttachmentInput] = (),
        *,
        session_key: str = "main",
        run_id: str | None = None,
        model: str | None = None,
    ) -> Future[ReplyEnd]:
        """Send a message and go on: the future has the end of its reply. Raises, from there, as ``send``."""
        return self._start(
            whole(
                self._client.ask(
                    text, session_key=session_key, run_id=run_id, attachments=ready(attachments), model=model
                )
            )
        )

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


def connect(endpoint: Endpoint, *, locale: str | None = None, caps: Sequence[str] = CAPS) -> SyncClient:
    """A connected synchronous client, for widgets and magics. Raises as ``GatewayClient.connect``."""
    from .sync import SyncClient

    return SyncClient(GatewayClient(endpoint, caps=caps, locale=locale))
