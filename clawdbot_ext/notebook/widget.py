"""``ChatWidget``: the conversation in a cell, the same as in the browser, the side panel and the terminal.

The chat runs in the page and talks to the gateway by itself, so it answers while a cell runs. Only where the page
cannot reach the gateway (VS Code with a remote kernel, Colab) do its frames go through the kernel (``comm_bridge``).
What is saved with the notebook is the session's key and the height: no code, no token and nothing that was said.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import traitlets

from ..client.describe import NamedFile, files_of
from ..client.reply import ReplyEnd
from ..i18n import catalogue, environment_language

try:
    import ipywidgets
except ImportError as exc:
    raise ImportError(catalogue("notebook")(environment_language(), "needsWidgets"), name="ipywidgets") from exc
from . import markup
from .comm_bridge import Bridge, bundle
from .kernel_client import KernelClient, shared
from .widget_pinned import Pinned

if TYPE_CHECKING:
    from typing_extensions import Self

MODULE, VERSION = "jupyter-clawdbot", "^1.0.0"
"""Module of the view for JupyterLab and Notebook: ``labextension/src/widget.ts``."""
OUTPUT = "application/vnd.clawdbot.chat+json"
"""MIME type that our own extension renders in an output, also when the notebook is opened again."""
ContextValue = Any
"""A path, ``(name, bytes)``, a matplotlib figure, a PIL image, a pandas or polars frame, or any other value."""


class PendingReply:
    """The answer to one question, while it is written and after. ``await`` it, or use ``text``, which waits.

    Raises, both ways: as ``GatewayClient.ask``; ``ReplyFailed`` when the model gave an error.
    """

    def __init__(self, run_id: str, end: Future[ReplyEnd]):
        self.run_id = run_id
        self._end = end

    @property
    def done(self) -> bool:
        return self._end.done()

    @property
    def text(self) -> str:
        """The whole reply. Waits for its end; interrupting the cell ends the waiting, not the reply."""
        return self.result()

    def result(self, timeout_s: float | None = None) -> str:
        """As ``text``. Raises ``concurrent.futures.TimeoutError`` after ``timeout_s`` seconds."""
        return self._end.result(timeout_s).text

    def __await__(self) -> Generator[Any, None, str]:
        end = yield from asyncio.wrap_future(self._end).__await__()
        return end.text

    def __str__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return markup.bundle(self.text)


Host = Literal["auto", "jupyter", "anywidget"]
View = Literal["full", "chat"]


def _has_visitors() -> bool:
    """Report whether this is the kernel of a page that others than the notebook's owner see. Voila tells its kernels
    its name."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")


def _anywidget(host: Host) -> type[ChatWidget] | None:
    """The class for programs that show anywidgets and not our own view; ``None`` elsewhere and without the extra."""
    known = "VSCODE_PID" in os.environ or "google.colab" in sys.modules or "marimo" in sys.modules
    if host == "jupyter" or (host == "auto" and not known):
        return None
    try:
        return _anywidget_class()
    except ImportError:
        if host == "anywidget":
            raise
        return None


class ChatWidget(ipywidgets.DOMWidget):
    """The chat, as a widget that nests in ``VBox`` and other layouts.

    JupyterLab and Notebook show it by the extension of this package. VS Code, Colab and marimo need the extra
    ``anywidget``; there it is made as an anywidget by itself.

    Args:
        session: the session's key, such as ``main``.
        height: of the chat, as CSS has it.
        context: values that are offered with every message: frames, figures, images, paths, anything else by its repr.
        view: ``full``, or ``chat`` for the chat of the session and nothing else: no other session, no settings, no
            commands. In a page of Voila, whose visitors are strangers, it is always ``chat``.
        host: the kind of program that shows it, where it is not found out rightly.
    """

    _model_name = traitlets.Unicode("ChatModel").tag(sync=True)
    _model_module = traitlets.Unicode(MODULE).tag(sync=True)
    _model_module_version = traitlets.Unicode(VERSION).tag(sync=True)
    _view_name = traitlets.Unicode("ChatView").tag(sync=True)
    _view_module = traitlets.Unicode(MODULE).tag(sync=True)
    _view_module_version = traitlets.Unicode(VERSION).tag(sync=True)
    session = traitlets.Unicode("main", help="The key of the session on show.").tag(sync=True)
    height = traitlets.Unicode("480px", help="CSS height of the chat.").tag(sync=True)
    view = traitlets.Enum(("full", "chat"), "full", help="How much of the page is shown.").tag(sync=True)

    def __new__(cls, *args: Any, host: Host = "auto", **kwargs: Any) -> Self:
        kind = _anywidget(host) if cls is ChatWidget else None
        made: Self = super().__new__(kind or cls, *args, **kwargs)
        return made

    def __init__(
        self,
        session: str = "main",
        height: str = "480px",
        context: Sequence[ContextValue] = (),
        *,
        view: View = "full",
        host: Host = "auto",
        client: KernelClient | None = None,
        **kwargs: Any,
    ):
        view = "chat" if _has_visitors() else view
        self._pinned = Pinned(lambda: self.session) if view == "chat" else None
        super().__init__(session=session, height=height, view=view, **kwargs)
        self._client = client or shared()
        self._context = tuple(context)
        self._callbacks: list[Callable[[Mapping[str, Any]], None]] = []
        self._unlisten: Callable[[], None] | None = None
        self._newest = ""
        """The id of the message that the callbacks have heard last."""
        self._bridge = Bridge(self._client, self.send_custom, self._pinned)
        self.on_msg(self._received)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """With HTML that says how to open the chat, for programs that have no view and notebooks opened again."""
        made = super()._repr_mimebundle_(**kwargs)
        if made is None:
            return None
        data, metadata = made if isinstance(made, tuple) else (made, {})
        own = {OUTPUT: {"model_id": self.model_id}} if self._model_module == MODULE else {}
        text = catalogue("notebook")(environment_language(), "widget")
        return {**own, **data, "text/html": markup.to_html(text)}, metadata

    # -- talking ------------------------------------------------------------------------------------------------------
    def send_message(self, text: str, attachments: Sequence[ContextValue] = ()) -> str:
        """Send a message and go on; the run's id. See ``ask``."""
        return self.ask(text, attachments).run_id

    def ask(self, text: str, attachments: Sequence[ContextValue] = ()) -> PendingReply:
        """Send a message. Its reply streams in the chat; ``reply.text`` waits for it, ``await reply`` does too.

        Raises:
            OSError: a file cannot be read.
            NoGateway, Unreachable, Unauthorized: as ``clawdbot_ext.connect``.
        """
        files = [file for number, given in enumerate(attachments, 1) for file in as_files(given, number)]
        run_id = uuid.uuid4().hex
        return PendingReply(run_id, self._client.get().submit(text, files, session_key=self.session, run_id=run_id))

    def stop(self) -> bool:
        """Stop what is being answered in the session; what is written stays. True if there was something."""
        return bool(self._client.request("chat.abort", {"sessionKey": self.session}).get("aborted"))

    @property
    def history(self) -> list[dict[str, Any]]:
        """The newest messages of the session, oldest first, as ``chat.history`` gives them."""
        return list(self._client.request("chat.history", {"sessionKey": self.session, "limit": 1000})["messages"])

    def on_message(self, callback: Callable[[Mapping[str, Any]], None], *, remove: bool = False) -> None:
        """Have ``callback`` called with every message that is stored in the session, of all authors.

        It runs on the client's thread: what takes long, or draws, should hand over to another.
        """
        if remove:
            self._callbacks = [each for each in self._callbacks if each != callback]
        else:
            self._callbacks.append(callback)
        if self._callbacks and self._unlisten is None:
            self._unlisten = self._client.listen(self._heard)
            self._client.get()
        elif not self._callbacks and self._unlisten is not None:
            self._unlisten()
            self._unlisten = None

    def _heard(self, name: str, payload: Mapping[str, Any]) -> None:
        """Questions come as ``session.message``, answers with the end of their ``chat``, injected ones by both."""
        message = payload.get("message")
        ended = name == "chat" and payload.get("state") != "delta"
        if not (ended or name == "session.message") or not isinstance(message, Mapping) or "id" not in message:
            return
        ours = payload.get("sessionKey") in (self.session, f"agent:main:{self.session}")
        if not ours or message["id"] == self._newest:
            return
        self._newest = message["id"]
        for callback in list(self._callbacks):
            callback(message)

    # -- the page -----------------------------------------------------------------------------------------------------
    @property
    def context(self) -> tuple[ContextValue, ...]:
        """Values offered with every message. Set it again when the values have changed."""
        return self._context

    @context.setter
    def context(self, values: Sequence[ContextValue]) -> None:
        self._context = tuple(values)
        self._offer()

    def send_custom(self, content: Mapping[str, Any], buffers: list[bytes] | None = None) -> None:
        """Hand something to the page. (``DOMWidget.send``, whose name people expect for messages.)"""
        super().send(dict(content), buffers)

    def send(self, text: Any, attachments: Any = None) -> Any:
        """Send a message to the assistant; the run's id. A ``dict`` goes to the page, as with any widget."""
        if isinstance(text, dict):
            return self.send_custom(text, attachments)
        return self.send_message(text, attachments or ())

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the page has changed. A visitor's page changes nothing."""
        if not self._pinned:
            super().set_state(sync_data)

    def close(self) -> None:
        """Take the chat out of the page."""
        self._callbacks = []
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None
        self._bridge.close()
        super().close()

    def _received(self, _widget: Any, content: Mapping[str, Any], _buffers: list[memoryview]) -> None:
        kind = content.get("kind")
        if kind == "bundle":
            self.send_custom({"kind": "bundle"}, [bundle()])
        elif kind == "ready":
            self._offer()
        else:
            self._bridge.received(content)

    def _offer(self) -> None:
        """Tell the page what may go along: stored at the gateway, so that a busy kernel is not asked for it."""
        offered = []
        for number, value in enumerate(self._context, 1):
            files = as_files(value, number)
            label = _variable(value) or files[0][0]
            attachments = self._client.get().attach(files)
            offered.append({"label": label, "attachments": attachments})
            if self._pinned:
                self._pinned.offered |= {each["mediaId"] for each in attachments if "mediaId" in each}
        self.send_custom({"kind": "context", "files": offered})


def as_files(value: ContextValue, number: int) -> list[NamedFile]:
    """A value as files for the gateway; ``number`` names what is no file or variable. Raises ``OSError``."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], bytes):
        return [value]
    if isinstance(value, str) and "\n" not in value and Path(value).expanduser().is_file():
        value = Path(value).expanduser()
    return files_of(_variable(value) or f"value-{number}", value)


def _variable(value: ContextValue) -> str:
    """The name of the user's variable that holds a value; empty where there is none, and for numbers and texts."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None or value is None or isinstance(value, (bool, int, float, complex, str, bytes, Path)):
        return ""
    held = (name for name, each in list(shell.user_ns.items()) if each is value and not name.startswith("_"))
    return next(held, "")


@cache
def _anywidget_class() -> type[ChatWidget]:
    """``ChatWidget`` as an anywidget, with the code that draws it in its state: for VS Code, Colab and marimo.

    Needs the extra ``anywidget`` and raises ``ImportError`` without it. JupyterLab gets the view from our own extension
    instead: anywidget's would run the code that any notebook has saved.
    """
    import anywidget

    version = anywidget.AnyWidget._model_module_version.default_value

    class AnyChatWidget(ChatWidget, anywidget.AnyWidget):
        _esm = Path(__file__).parents[1] / "widget_loader.js"
        _model_name = traitlets.Unicode("AnyModel").tag(sync=True)
        _model_module = traitlets.Unicode("anywidget").tag(sync=True)
        _model_module_version = traitlets.Unicode(version).tag(sync=True)
        _view_name = traitlets.Unicode("AnyView").tag(sync=True)
        _view_module = traitlets.Unicode("anywidget").tag(sync=True)
        _view_module_version = traitlets.Unicode(version).tag(sync=True)

    return AnyChatWidget
