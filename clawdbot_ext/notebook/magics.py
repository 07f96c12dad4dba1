"""``%clawdbot`` and ``%%clawdbot``: the conversation from a cell, after ``%load_ext clawdbot_ext``.

The cell magic sends the cell as a question and shows the reply as it comes. The reply is stored in the notebook as
harmless HTML (``markup``), so that it reads well where this package is not installed. What fails raises, so that
*Run All* and papermill stop there (``magic_errors``).
"""

from __future__ import annotations

import ast
import contextlib
import html
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

from ..client.approvals import MODES, Approval
from ..client.describe import NamedFile, files_of
from ..client.reply import Chunk, Notice, ReplyEnd
from ..client.session_title import main_key, title_of
from ..escapes import one_line
from ..i18n import catalogue, environment_language
from ..protocol.citations import in_markdown
from ..runtime.browser import open_page
from .expansion import FieldProblem, expand
from .kernel_client import KernelClient, shared
from .last_run import LastRun
from .magic_errors import EXPECTED, ClawdbotError, Stopped, UsageProblem, error_text, sentences
from .magic_hands import change_line, session_mode, undone
from .magic_line import FLAGS, OPTIONS, Options, Transformers, near, parse
from .magic_output import LiveOutput, display_bundle, display_text, growing
from .markup import MOST_CHARS
from .page_address import browser_is_here, page_address
from .permission import CellPermission

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from ..client.sync import SyncClient

PATIENCE_S = 30.0
"""Time that a cell waits for a gateway that has gone; another takes over within three seconds where there is one."""
ABORT_S = 5.0
"""Time that an interrupted cell waits to hear that its reply was stopped."""
SUBCOMMANDS = (
    "status",
    "new",
    "sessions",
    "use",
    "models",
    "model",
    "mode",
    "undo",
    "web",
    "ask",
    "fix",
    "explain",
    "stop",
    "help",
)
ASKING = ("ask", "fix", "explain")
ALONE = ("status", "sessions", "models", "web", "stop", "help")
"""Subcommands with nothing behind them."""
PYTHON = ("python", "python3", "py", "py3", "ipython", "ipython3", "pycon")
"""Languages of blocks that the kernel can run."""
_NO_DATA = (ModuleType, type, FunctionType, BuiltinFunctionType)


class Clawdbot:
    """Actions of the magics, apart from how IPython calls them. One per shell."""

    def __init__(self, shell: InteractiveShell, client: KernelClient | None = None):
        self.shell = shell
        self.session = "main"
        self.last = LastRun(shell)
        self._client = client or shared()
        self._text = catalogue("notebook")
        self._language = environment_language()
        self._hands_text = partial(catalogue("hands"), self._language)
        self._transformers = Transformers(shell)
        self._transformers.install()
        self._local: Mapping[str, Any] = {}
        """Names of the function that the line stands in."""

    def t(self, key: str, /, **values: object) -> str:
        return self._text(self._language, key, **values)

    @property
    def client(self) -> SyncClient:
        """The connection, opened when it is needed first. Raises as ``clawdbot_ext.connect``."""
        return self._client.get()

    def unload(self) -> None:
        """Take back what loading did."""
        self.last.forget(self.shell)
        self._transformers.remove()
        for kind in ("line", "cell"):
            self.shell.magics_manager.magics[kind].pop("clawdbot", None)

    # -- the two magics -------------------------------------------------------------------------------------------
    def line(self, line: str, local: Mapping[str, Any] | None = None) -> None:
        """``%clawdbot …``; ``local`` are the names of the function that it stands in."""
        options = Options()
        self._guarded(options, lambda: self._line(line, options), local)

    def cell(self, line: str, cell: str) -> None:
        """``%%clawdbot …``"""
        options = Options()
        self._guarded(options, lambda: self._cell(line, cell, options), None)

    def _guarded(self, options: Options, work: Callable[[], None], local: Mapping[str, Any] | None) -> None:
        """Run ``work``; what goes wrong becomes one of ours, because a traceback of ours tells a user nothing.

        Raises:
            ClawdbotError, Stopped.
        """
        self._local = {} if local is None or local is self.shell.user_ns else local
        try:
            try:
                work()
            except EXPECTED as exc:
                raise ClawdbotError(self.t("failed", problem=error_text(exc, self.t))) from exc
        except ClawdbotError as exc:
            if not options.keep_going:
                raise
            self._say(str(exc))
        except Stopped:
            raise
        except KeyboardInterrupt:
            raise Stopped(self.t("stopped")) from None
        finally:
            self._local = {}

    def _line(self, line: str, options: Options) -> None:
        word, _, rest = parse(line, options, self.t).partition(" ")
        if options.help or word.strip("?") in ("", "help"):
            word = "help"
        elif word.rstrip("?") in SUBCOMMANDS and not rest.strip():
            word = "help" if word.endswith("?") else word
        if word not in SUBCOMMANDS:
            with contextlib.suppress(UsageProblem):
                rest = parse(rest, options, self.t)
            advice = near(word, SUBCOMMANDS, self.t)
            if rest and not advice:
                advice = " " + self.t("askInstead", question=f"{word} {rest.strip()}"[:80])
            raise UsageProblem(self.t("unknown", word=word, known=", ".join(SUBCOMMANDS)) + advice)
        rest = parse(rest, options, self.t)
        if options.help:
            self._help("")
        elif word in ASKING:
            self._ask(word, rest, options)
        elif options.only_for_questions:
            raise UsageProblem(self.t("optionNotHere", word=word, option=options.only_for_questions))
        elif word in ALONE and rest:
            raise UsageProblem(self.t("noArgument", word=word, rest=rest[:80]))
        else:
            getattr(self, f"_{word}")(self._filled(rest, options)[0])

    def _cell(self, line: str, cell: str, options: Options) -> None:
        behind = parse(line, options, self.t)
        if options.help or behind in ("?", "??"):
            self._help("")
        elif behind:
            raise UsageProblem(self.t("questionBelow", question=behind[:80]))
        else:
            self._ask("ask", cell.strip(), options)

    def _ask(self, word: str, words: str, options: Options) -> None:
        """``ask``; ``fix``: the last traceback with its cell; ``explain``: the cell that ran last."""
        question, left = self._filled(words, options)
        files: list[NamedFile] = []
        if word == "ask" and not question:
            raise UsageProblem(self.t("noQuestion"))
        if word != "ask":
            files = self._cell_that_ran(word)
            question = f"{self.t(f'{word}Question')}\n\n{question}".strip()
        for name in options.variables:
            files += files_of(name, self._variable(name))
        session = self._filled(options.session, options)[0]
        end = self.ask(question, files, session, model=self._filled(options.model, options)[0], left=left)
        if options.insert and end.state == "final":
            self._insert(end.text)

    def _cell_that_ran(self, word: str) -> list[NamedFile]:
        source = self.last.failed_source if word == "fix" else self.last.source
        if word == "fix" and not self.last.problem:
            raise UsageProblem(self.t("noError"))
        if not source:
            raise UsageProblem(self.t("noCell"))
        files = [("cell.py", source.encode())]
        return [*files, ("traceback.txt", self.last.problem.encode())] if word == "fix" else files

    def _variable(self, name: str) -> Any:
        known = {**self.shell.user_ns, **self._local}
        if name not in known:
            raise UsageProblem(self.t("noVariable", name=name) + near(name, self.variables(), self.t))
        return known[name]

    def _filled(self, text: str, options: Options) -> tuple[str, Sequence[str]]:
        """``text`` with values in it, and the fields that stay. Raises ``UsageProblem`` where a value cannot be had."""
        if options.raw or "{" not in text:
            return text, ()
        try:
            return expand(text, {**self.shell.user_ns, **self._local}, self._is_own)
        except FieldProblem as exc:
            raise UsageProblem(self.t("fieldFailed", field=exc.field, problem=exc.problem)) from exc

    def _is_own(self, name: str) -> bool:
        """Did the user make it? IPython puts names of its own beside."""
        if name in self._local:
            return True
        hidden, known = self.shell.user_ns_hidden, self.shell.user_ns
        return name in known and not (name in hidden and hidden[name] is known[name])

    def variables(self) -> list[str]:
        """Names of the user's data: no modules, classes and functions."""
        return [
            name
            for name, value in self.shell.user_ns.items()
            if not name.startswith("_") and self._is_own(name) and not isinstance(value, _NO_DATA)
        ]

    def ask(
        self,
        question: str,
        files: Sequence[NamedFile] = (),
        session: str = "",
        *,
        model: str = "",
        left: Sequence[str] = (),
    ) -> ReplyEnd:
        """Send and show the reply as it comes. ``left`` are fields of the question that stayed as they are.

        Raises:
            ClawdbotError: the model gave an error; what it had written stays on show.
            Stopped: the cell was interrupted, and the reply has been stopped; what is there stays.
            ConfigError, NoGateway, ClientError, GatewayError, OSError: as ``SyncClient.ask``.
        """
        shown = growing(self.shell)
        remarks = [self.t("left", fields=", ".join(f"`{field}`" for field in left))] if left else []
        run_id, key = uuid.uuid4().hex, session or self.session
        permission = CellPermission(self.client, self._hands_text)
        try:
            for item in self.client.ask(
                question, session_key=key, run_id=run_id, attachments=files, model=model or None, patience_s=PATIENCE_S
            ):
                if isinstance(item, Chunk):
                    shown.append(item)
                elif isinstance(item, ReplyEnd):
                    return self._ended(item, shown, remarks, permission.refused)
                elif item.kind == "approval":
                    permission.ask(Approval.from_wire(item.facts))
                elif item.kind == "tool" and (changed := change_line(item.facts, self.t)):
                    remarks.append(changed)
                elif item.kind == "media" and item.facts.get("phase") == "error":
                    remarks.append(f"{item.facts.get('name')}: {item.facts.get('detail')}")
                elif text := self._noticed(item):
                    shown.note(text)
        except KeyboardInterrupt:
            with contextlib.suppress(KeyboardInterrupt, *EXPECTED):
                self.client.request("chat.abort", {"sessionKey": key, "runId": run_id}, timeout_s=ABORT_S)
            shown.finish(_with_remarks(shown.text, [self.t("stopped")]))
            raise Stopped(self.t("stopped")) from None
        except EXPECTED:
            shown.finish(shown.text)
            raise
        raise AssertionError("unreachable: the last item is the end")

    def _ended(self, end: ReplyEnd, shown: LiveOutput, remarks: Sequence[str], refused: Sequence[Approval]) -> ReplyEnd:
        text = in_markdown(end.message or {}, self.t("sources")) or shown.text
        if end.state == "error":
            shown.finish(_with_remarks(text, remarks))
            raise ClawdbotError(self.t("failed", problem=sentences(end.error_message, end.error.get("hint"))))
        if end.state == "aborted":
            remarks = [*remarks, self.t("stopped")]
        elif not text:
            remarks = [*remarks, self.t("noReply")]
        shown.finish(_with_remarks(text, remarks))
        if refused:
            raise ClawdbotError(self.t("refused", titles="; ".join(one_line(each.title) for each in refused)))
        return end

    def _noticed(self, notice: Notice) -> str:
        """Text of a notice, if it has one."""
        facts = notice.facts
        if notice.kind == "queued":
            return self.t("queued", position=facts.get("position", 1))
        if notice.kind == "retry":
            return self.t("retry", attempt=facts.get("attempt", 1), most=facts.get("maxAttempts", 1))
        if notice.kind == "lost":
            return self.t("lost")
        if notice.kind == "media":
            return self.t("looking", name=facts.get("name", ""))
        return str(facts.get("title") or facts.get("name") or "") if facts.get("phase") == "start" else ""

    # -- subcommands ------------------------------------------------------------------------------------------------
    def _status(self, _rest: str) -> None:
        self.ask("/status")

    def _stop(self, _rest: str) -> None:
        answer = self.client.request("chat.abort", {"sessionKey": self.session})
        self._say(self.t("stopped" if answer.get("aborted") else "nothingRuns"))

    def _new(self, rest: str) -> None:
        entry = self.client.request("sessions.new", {"label": rest} if rest else {})
        self.session = entry["key"]
        self._say(self.t("opened", key=self.session))

    def _sessions(self, _rest: str) -> None:
        listed = self.client.request("sessions.list", {"limit": 30, "includeDerivedTitles": True})["sessions"]
        rows = [
            f"| {'**→**' if self._is_current(row['key']) else ''} | `{row['key']}` | {_cell_text(self._title(row))} |"
            for row in listed
        ]
        self._markdown("\n".join([f"| | {self.t('session')} | {self.t('title')} |", "|-|-|-|", *rows]))

    def _title(self, session: Mapping[str, Any]) -> str:
        return title_of(session, session["key"], main_key(self.client.hello), self._language)

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
        self.client.request("sessions.patch", {"key": self.session, "model": rest})
        self._say(self.t("modelNow", model=rest))

    def _mode(self, rest: str) -> None:
        self._say(session_mode(self.client, self.session, rest, self.t, self._hands_text))

    def _undo(self, rest: str) -> None:
        self._say(undone(self.client, self.session, rest.split(), self._hands_text))

    def _web(self, _rest: str) -> None:
        """Show where the page is for the person's browser, and open it, logged in by a link for one use, where that
        browser is here. The cell shows the address alone: a notebook is shared."""
        client = self.client
        if browser_is_here():
            link = client.request("auth.link")
            open_page(f"{client.page_url}chat?code={link['code']}", stays=True)
        address = f"{page_address(client.endpoint)}chat"
        link_html = f'<a href="{html.escape(address)}" target="_blank" rel="noopener">{self.t("openPage")}</a>'
        display_bundle({"text/html": link_html, "text/plain": f"{self.t('openPage')}: {address}"})

    def _help(self, _rest: str) -> None:
        self._markdown(self.t("help"))

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
        except EXPECTED:
            return []
        return [str(row["key" if what == "sessions" else "id"]) for row in listed]

    # -- showing ------------------------------------------------------------------------------------------------------
    def _say(self, text: str) -> None:
        self._markdown(text)

    @staticmethod
    def _markdown(text: str) -> None:
        display_text(text)


def _with_remarks(text: str, remarks: Sequence[str]) -> str:
    return "\n\n".join(part for part in (text, *(f"*{remark}*" for remark in remarks)) if part)


def first_code(reply: str) -> str | None:
    """The first block of Python in a reply, in a list or a quotation too; else the first of no language that reads as
    Python."""
    if len(reply) > MOST_CHARS:
        return None
    blocks = [
        (_language(token.info), token.content.rstrip("\n"))
        for token in MarkdownIt("commonmark").parse(reply)
        if token.type == "fence"
    ]
    named = [code for language, code in blocks if language in PYTHON]
    return next(
        (
            code
            for code in [*named, *(code for language, code in blocks if not language and _is_python(code))]
            if code.strip()
        ),
        None,
    )


def _language(info: str) -> str:
    """Of a block, from what stands behind its fence: ``python``, ``{.python .numbers}``, ``py title="a"``."""
    words = info.replace("{", " ").replace("}", " ").replace(",", " ").split()
    return words[0].removeprefix(".").lower() if words else ""


def _is_python(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _cell_text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def register(shell: Any) -> Clawdbot:
    """Give a shell the magics and their completion."""
    from IPython.core.magic import needs_local_scope, no_var_expand

    ours = Clawdbot(shell)

    @no_var_expand  # IPython would put in `$name` and `{…}` by rules of its own, and leave what fails
    @needs_local_scope
    def line(line: str, local_ns: Mapping[str, Any] | None = None) -> None:
        ours.line(line, local_ns)

    @no_var_expand
    def cell(line: str, cell: str) -> None:
        ours.cell(line, cell)

    line.__doc__ = cell.__doc__ = _plain_table(ours.t("help"))  # what `%clawdbot?` shows
    shell.register_magic_function(line, "line", "clawdbot")
    shell.register_magic_function(cell, "cell", "clawdbot")
    shell.set_hook("complete_command", lambda _shell, event: complete(ours, event), str_key="%clawdbot")
    shell.set_hook("complete_command", lambda _shell, event: complete(ours, event), str_key="%%clawdbot")
    return ours


def _plain_table(table: str) -> str:
    """A Markdown table of two columns as lines."""
    rows = [[part.strip().replace("`", "") for part in row.strip("| ").split(" | ")] for row in table.splitlines()[2:]]
    return "\n".join("\n    ".join(row) for row in rows)


def complete(ours: Clawdbot, event: Any) -> list[str]:
    """Subcommands and options; then sessions, models or variables, as the word before asks for."""
    words = event.line.split()
    begun = "" if event.line[-1:].isspace() else words.pop()
    asks = words[:1] == ["%%clawdbot"] or (len(words) > 1 and words[1] in ASKING)
    known: Sequence[str] = OPTIONS + FLAGS if asks else SUBCOMMANDS
    before = words[-1] if len(words) > 1 else ""
    if before == "--var":
        known = ours.variables()
    elif before in ("-s", "--session", "use", "-m", "--model", "model"):
        known = ours.names("sessions" if before in ("-s", "--session", "use") else "models")
    elif before == "mode":
        known = MODES
    elif before and not (asks and begun.startswith("-")) and words[0] != "%%clawdbot":
        known = ()
    # IPython puts a match in the place of `symbol`, which begins behind the last of its separators (a colon is one).
    kept = len(begun) - len(event.symbol)
    return [word[kept:] for word in dict.fromkeys(known) if word.startswith(begun)]
