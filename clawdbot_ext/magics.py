"""``%clawdbot`` and ``%%clawdbot``: the conversation from a cell, after ``%load_ext clawdbot_ext``.

The cell magic sends the cell as a question and shows the reply as it comes. The reply is stored in the notebook as
harmless HTML (``markup``), so that it reads well where this package is not installed.
"""

from __future__ import annotations

import ast
import re
import shlex
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .browser import open_page
from .client_errors import ClientError
from .client_kernel import KernelClient, shared
from .client_reply import Chunk, End, Notice
from .describe import File, files_of
from .endpoint import NoGateway
from .i18n import catalogue, environment_language
from .markup import bundle
from .protocol.errors import GatewayError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .client_sync import SyncClient

REDRAW_S = 0.1
"""How often a growing reply is drawn, in seconds."""
REDRAW_SHARE = 0.2
"""How much of the time drawing may take, as a long reply is drawn anew each time."""
SUBCOMMANDS = ("status", "new", "sessions", "use", "models", "model", "web", "ask", "fix", "explain", "stop", "help")
OPTIONS = ("-s", "-m", "--var", "--insert")
_OURS = re.compile(r"^\s*%{1,2}(?:clawdbot\b|(?:re)?load_ext\s+clawdbot_ext\b)", re.MULTILINE)
_EXPRESSION = re.compile(r"\{([^{}\n]+)\}")
_CODE = re.compile(r"^(`{3,}|~{3,})[ \t]*(?:python|py|ipython|ipython3)?[ \t]*\n(.*?)^\1[ \t]*$", re.M | re.S)


class UsageProblem(Exception):
    """The line is not right; the text says why."""


class Clawdbot:
    """What the magics do, apart from how IPython calls them. One per shell."""

    def __init__(self, shell: InteractiveShell, client: KernelClient | None = None):
        self.shell = shell
        self.session = "main"
        self.last = LastRun(shell)
        self._client = client or shared()
        self._text = catalogue("notebook")
        self._language = environment_language()

    def t(self, key: str, /, **values: object) -> str:
        return self._text(self._language, key, **values)

    @property
    def client(self) -> SyncClient:
        """The connection, opened when it is needed first. Raises as ``clawdbot_ext.connect``."""
        return self._client.get()

    def unload(self) -> None:
        """Take back what loading did."""
        self.last.forget(self.shell)

    # -- the two magics -------------------------------------------------------------------------------------------
    def line(self, line: str) -> None:
        """``%clawdbot …``"""
        self._guarded(lambda: self._line(line))

    def cell(self, line: str, cell: str) -> None:
        """``%%clawdbot …``"""
        self._guarded(lambda: self._cell(line, cell))

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run ``work``; say what went wrong in a sentence, because a traceback of ours tells a user nothing."""
        try:
            work()
        except UsageProblem as exc:
            self._say(str(exc))
        except (ClientError, GatewayError, NoGateway, OSError) as exc:
            self._say(self.t("failed", problem=exc))

    def _line(self, line: str) -> None:
        word, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if not word:
            word = "help"
        if word not in SUBCOMMANDS:
            raise UsageProblem(self.t("unknown", word=word, known=", ".join(SUBCOMMANDS)))
        if word == "ask":
            self._cell("", rest)
        elif word in ("fix", "explain"):
            self._about_a_cell(word, rest)
        else:
            getattr(self, f"_{word}")(rest)

    def _cell(self, line: str, cell: str) -> None:
        options = parse(line, self.t)
        question = expand(cell.strip(), self.shell.user_ns)
        if not question:
            raise UsageProblem(self.t("noQuestion"))
        files: list[File] = []
        for name in options.variables:
            if name not in self.shell.user_ns:
                raise UsageProblem(self.t("noVariable", name=name))
            files += files_of(name, self.shell.user_ns[name])
        session = options.session or self.session
        if options.model:
            self.client.request("sessions.patch", {"key": session, "model": options.model})
        end = self.ask(question, files, session)
        if options.insert and end is not None:
            self._insert(end.text)

    def ask(self, question: str, files: Sequence[File] = (), session: str | None = None) -> End | None:
        """Send and show the reply as it comes. Interrupting the cell stops the reply; what is there stays."""
        shown = Shown()
        run_id, key = uuid.uuid4().hex, session or self.session
        try:
            for item in self.client.ask(question, session_key=key, run_id=run_id, attachments=files):
                if isinstance(item, Chunk):
                    shown.take(item)
                elif isinstance(item, Notice):
                    shown.note(self._noticed(item))
                else:
                    return self._ended(item, shown)
        except KeyboardInterrupt:
            self.client.request("chat.abort", {"sessionKey": key, "runId": run_id})
            shown.finish(f"{shown.text}\n\n*{self.t('stopped')}*")
        return None

    def _ended(self, end: End, shown: Shown) -> End:
        text = end.text or shown.text
        if end.state == "error":
            hint = str(end.error.get("hint") or "")
            text = f"{text}\n\n**{self.t('failed', problem=end.error_message)}** {hint}".strip()
        elif end.state == "aborted":
            text = f"{text}\n\n*{self.t('stopped')}*"
        shown.finish(text or f"*{self.t('noReply')}*")
        return end

    def _noticed(self, notice: Notice) -> str:
        facts = notice.facts
        if notice.kind == "queued":
            return self.t("queued", position=facts.get("position", 1))
        if notice.kind == "retry":
            return self.t("retry", attempt=facts.get("attempt", 1), most=facts.get("maxAttempts", 1))
        if notice.kind == "lost":
            return self.t("lost")
        return str(facts.get("title") or facts.get("name") or "")

    # -- subcommands ------------------------------------------------------------------------------------------------
    def _status(self, _rest: str) -> None:
        self._command("/status")

    def _stop(self, _rest: str) -> None:
        answer = self.client.request("chat.abort", {"sessionKey": self.session})
        self._say(self.t("stopped" if answer.get("aborted") else "nothingRuns"))

    def _new(self, rest: str) -> None:
        entry = self.client.request("sessions.new", {"label": rest} if rest else {})
        self.session = entry["key"]
        self._say(self.t("opened", key=self.session))

    def _sessions(self, _rest: str) -> None:
        listed = self.client.request("sessions.list", {"limit": 30, "includeDerivedTitles": True})["sessions"]
        rows = [f"| {'**→**' if self._is_current(row['key']) else ''} | `{row['key']}` | {_cell_text(_title(row))} |"
                for row in listed]
        self._markdown("\n".join([f"| | {self.t('session')} | {self.t('title')} |", "|-|-|-|", *rows]))

    def _is_current(self, key: str) -> bool:
        return key in (self.session, f"agent:main:{self.session}")

    def _use(self, rest: str) -> None:
        if not rest:
            raise UsageProblem(self.t("whichSession"))
        self.session = self.client.request("sessions.resolve", {"key": rest})["key"] if rest != "main" else rest
        self._say(self.t("using", key=self.session))

    def _models(self, _rest: str) -> None:
        models = self.client.request("models.list")["models"]
        rows = [f"| `{m['id']}` | {_cell_text(m.get('name') or '')} | {m.get('provider', '')} |" for m in models]
        self._markdown("\n".join([f"| {self.t('model')} | | |", "|-|-|-|", *rows]))

    def _model(self, rest: str) -> None:
        if not rest:
            raise UsageProblem(self.t("whichModel"))
        self._command(f"/model {rest}")

    def _web(self, _rest: str) -> None:
        """Open the page, logged in by a link for one use. The cell shows the address alone: a notebook is shared."""
        base = self.client.page_url
        link = self.client.request("auth.link")
        open_page(f"{base}chat?code={link['code']}", stays=True)
        self._markdown(f"[{self.t('openPage')}]({base}chat)")

    def _help(self, _rest: str) -> None:
        self._markdown(self.t("help"))

    def _command(self, text: str) -> None:
        """A slash command of the gateway, with its answer."""
        self.ask(text)

    def _about_a_cell(self, word: str, rest: str) -> None:
        """``fix``: the last traceback with its cell. ``explain``: the cell that ran last."""
        source = self.last.failed_source if word == "fix" else self.last.source
        if word == "fix" and not self.last.problem:
            raise UsageProblem(self.t("noError"))
        if not source:
            raise UsageProblem(self.t("noCell"))
        files = [("cell.py", source.encode())]
        if word == "fix":
            files.append(("traceback.txt", self.last.problem.encode()))
        question = self.t("fixQuestion" if word == "fix" else "explainQuestion")
        self.ask(f"{question}\n\n{rest}".strip(), files)

    def _insert(self, reply: str) -> None:
        code = first_code(reply)
        if code is None:
            self._say(self.t("noCode"))
        else:
            self.shell.set_next_input(code)

    def names(self, what: str) -> list[str]:
        """Keys of sessions or ids of models, for completion; none while the gateway is away."""
        try:
            listed = self.client.request(f"{what}.list", {}, timeout_s=2)[what]
        except (ClientError, GatewayError, NoGateway, OSError):
            return []
        return [str(row["key" if what == "sessions" else "id"]) for row in listed]

    # -- showing ------------------------------------------------------------------------------------------------------
    def _say(self, text: str) -> None:
        self._markdown(text)

    @staticmethod
    def _markdown(text: str) -> None:
        _display(text)


class Shown:
    """One output that grows, drawn at most every ``REDRAW_S``, and less often when drawing takes long."""

    def __init__(self) -> None:
        self.text = ""
        self._note = ""
        self._handle: Any = None
        self._next_at = 0.0

    def take(self, chunk: Chunk) -> None:
        if chunk.part == "thinking":
            return
        self.text = chunk.text if chunk.replaces else self.text + chunk.text
        self._note = ""
        if time.monotonic() >= self._next_at:
            self._draw(self.text)

    def note(self, text: str) -> None:
        """Something that is shown until the text goes on."""
        self._note = text
        self._draw(f"{self.text}\n\n*{text}*")

    def finish(self, text: str) -> None:
        self.text = text
        self._draw(text)

    def _draw(self, text: str) -> None:
        begun = time.monotonic()
        if self._handle is None:
            self._handle = _display(text, display_id=True)
        else:
            self._handle.update(bundle(text), raw=True)
        drawn = time.monotonic()
        self._next_at = drawn + max(REDRAW_S, (drawn - begun) / REDRAW_SHARE)


class Options:
    """What stands behind ``%%clawdbot``."""

    def __init__(self) -> None:
        self.session = ""
        self.model = ""
        self.variables: list[str] = []
        self.insert = False


def parse(line: str, t: Callable[..., str]) -> Options:
    """Raises ``UsageProblem`` for what is no option."""
    options = Options()
    try:
        words = shlex.split(line)
    except ValueError as exc:
        raise UsageProblem(t("badLine", problem=exc)) from exc
    while words:
        word = words.pop(0)
        if word == "--insert":
            options.insert = True
            continue
        if word not in ("-s", "--session", "-m", "--model", "--var"):
            raise UsageProblem(t("badOption", word=word, known=" ".join(OPTIONS)))
        if not words:
            raise UsageProblem(t("noValue", word=word))
        value = words.pop(0)
        if word == "--var":
            options.variables.append(value)
        elif word in ("-s", "--session"):
            options.session = value
        else:
            options.model = value
    return options


def expand(text: str, namespace: Mapping[str, Any]) -> str:
    """Put values in the place of ``{expression}``, where all its names are the user's; braces of code stay."""

    def value(found: re.Match[str]) -> str:
        expression = found[1].strip()
        try:
            names = {node.id for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Name)}
        except SyntaxError:
            return found[0]
        if not names or not names <= namespace.keys():
            return found[0]
        return str(eval(expression, dict(namespace)))  # noqa: S307 - the user's own expression in the user's own kernel

    return _EXPRESSION.sub(value, text)


class LastRun:
    """What ran in the shell besides these magics: the newest source, and the newest failure with its source."""

    def __init__(self, shell: InteractiveShell):
        self.source, self.failed_source, self.problem = "", "", ""
        error = getattr(sys, "last_value", None)
        history = [text for text in shell.user_ns.get("In", []) if text.strip() and not is_ours(text)]
        if error is not None:  # it failed before these magics were loaded
            self.failed_source, self.problem = (history or [""])[-1], formatted(error)
        self.source = (history or [""])[-1]
        shell.events.register("post_run_cell", self.ran)

    def ran(self, result: Any) -> None:
        """IPython's event after each cell."""
        source = result.info.raw_cell or ""
        if not source.strip() or is_ours(source):
            return
        self.source = source
        error = result.error_in_exec or result.error_before_exec
        if error is not None:
            self.failed_source, self.problem = source, formatted(error)

    def forget(self, shell: InteractiveShell) -> None:
        shell.events.unregister("post_run_cell", self.ran)


def is_ours(source: str) -> bool:
    """Is it a cell of these magics, or the one that loads them?"""
    return bool(_OURS.search(source))


def formatted(error: BaseException) -> str:
    """A traceback without the frames of IPython that ran the cell, and without colours."""
    frames = traceback.TracebackException.from_exception(error)
    own = [frame for frame in frames.stack if "IPython" not in frame.filename]
    frames.stack = traceback.StackSummary.from_list(own)
    return "".join(frames.format())


def first_code(reply: str) -> str | None:
    """The first block of Python in a reply."""
    found = _CODE.search(reply)
    return found[2].rstrip("\n") if found else None


def _display(text: str, *, display_id: bool | None = None) -> Any:
    """Show Markdown from anywhere in an output, harmlessly."""
    from IPython.display import display

    return display(bundle(text), raw=True, display_id=display_id)  # type: ignore[no-untyped-call]


def _title(session: Mapping[str, Any]) -> str:
    return str(session.get("label") or session.get("derivedTitle") or session.get("lastMessagePreview") or "")


def _cell_text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def register(shell: Any) -> Clawdbot:
    """Give a shell the magics and their completion."""
    ours = Clawdbot(shell)
    shell.register_magic_function(ours.line, "line", "clawdbot")
    shell.register_magic_function(ours.cell, "cell", "clawdbot")
    shell.set_hook("complete_command", lambda _shell, event: complete(ours, event), str_key="%clawdbot")
    shell.set_hook("complete_command", lambda _shell, event: complete(ours, event), str_key="%%clawdbot")
    return ours


def complete(ours: Clawdbot, event: Any) -> list[str]:
    """Subcommands and options; then sessions, models or variables, as the word before asks for."""
    words = event.line.split()
    begun = "" if event.line[-1:].isspace() else words.pop()
    known: Sequence[str] = OPTIONS if words[:1] == ["%%clawdbot"] else SUBCOMMANDS
    before = words[-1] if len(words) > 1 else ""
    if before == "--var":
        known = [name for name in ours.shell.user_ns if not name.startswith("_")]
    elif before in ("-s", "use", "-m", "model"):
        known = ours.names("sessions" if before in ("-s", "use") else "models")
    elif before and words[0] != "%%clawdbot":
        known = ()
    # IPython puts a match in the place of `symbol`, which begins behind the last of its separators (a colon is one).
    kept = len(begun) - len(event.symbol)
    return [word[kept:] for word in known if word.startswith(begun)]
