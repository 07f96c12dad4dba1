"""The pages of ``docs/reference``: each is made from the table that the program itself uses."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import clawdbot_ext
from clawdbot_ext.config import SETTINGS, Setting
from clawdbot_ext.config.settings import PROVIDER_ENV
from clawdbot_ext.gateway.access.identity import CREDENTIALS, Credential
from clawdbot_ext.gateway.commands.table import rows as command_rows
from clawdbot_ext.protocol import errors
from clawdbot_ext.protocol.errors import ErrorCode, GatewayError
from clawdbot_ext.protocol.schema import EVENTS, METHODS, SCOPE_ADMIN, SCOPE_READ, SCOPE_WRITE, ConnectParams, Method

from .shapes import REF, Schema, definitions, is_struct

PACKAGE = Path(clawdbot_ext.__path__[0])
MADE_FROM = "<!-- Written by `python -m scripts.generate` from {source}: edit that. tests/test_docs.py compares. -->\n"

METHODS_INTRO = """\
# Methods

A request is `{"type": "req", "id", "method", "params"}`; the answer is a `res` frame with the same id. Fields that are
not named here are ignored. *Ours* marks what Clawdbot's gateway does not have; see [protocol](../protocol.md). How
requests fail is in [errors](errors.md).
"""
EVENTS_INTRO = """\
# Events

An event is `{"type": "event", "event", "payload", "seq"}`. `seq` rises by one as each connection sees it;
`connect.challenge` alone has none. *Ours* marks what Clawdbot's gateway does not have; see [protocol](../protocol.md).
"""
ERRORS_INTRO = """\
# Errors

A failed request is answered with `{"type": "res", "id", "ok": false, "error"}`, where `error` has `code`, `message`
(English, for people), `details.reason` (for programs), and where it helps `retryable` and `retryAfterMs`. The codes are
Clawdbot's; the reasons are ours and stay as they are. Close codes of the socket are in [protocol](../protocol.md).
"""
SETTINGS_INTRO = """\
How they are set, and which source wins, is in [configuration](../configuration.md). *Not over the wire*: only this
machine's file, environment and command line change it, no client.
"""
COMMANDS_INTRO = """\
# Slash commands

Answered by the gateway, for every client alike and without the model. With a space in front a slash is ordinary text.
"""


# -- methods and events -----------------------------------------------------------------------------------------------
def methods() -> str:
    """Every method with its parameters and its result."""
    shapes = definitions()
    parts = [
        _head("clawdbot_ext/protocol/schema/"),
        METHODS_INTRO,
        _contents(METHODS),
        "## connect\n",
        "The first request of a connection, and the only one that is answered before the log-in.\n",
        _fields(shapes[ConnectParams.__name__], "required"),
    ]
    for name, row in METHODS.items():
        ours = " *Ours.*" if row.ours else ""
        parts += [f"## {name}\n", f"{row.help}{ours} {_right(row)}\n"]
        parts += (
            ["Parameters: none.\n"]
            if not shapes[row.params.__name__]["properties"]
            else ["Parameters:\n", _fields(shapes[row.params.__name__], "required")]
        )
        parts += _outcome("Result", row.result, shapes)
    parts.append("## Shapes inside others\n")
    inside = {name for shape in shapes.values() for name in _referenced(shape)}
    for name, shape in shapes.items():
        if name in inside:
            parts += [f"### {name}\n", *_described(shape)]
    return "\n".join(parts)


def credentials() -> str:
    """The page of credentials: the methods and routes that each kind opens, and what it may make."""
    kinds = CREDENTIALS.values()
    parts = [
        _head("clawdbot_ext/gateway/access/identity.py and protocol/schema/"),
        CREDENTIALS_INTRO,
        _rows(["kind", "credentials"], [[kind.title, kind.about] for kind in kinds]),
        "\n## Methods\n",
        _rows(
            ["method", *(kind.title for kind in kinds)],
            [[f"`{name}`", *("yes" if _may(row, kind) else "–" for kind in kinds)] for name, row in METHODS.items()],
        ),
        "\n## Besides\n",
        _rows(
            ["what", *(kind.title for kind in kinds)],
            [[what, *("yes" if may(kind) else "–" for kind in kinds)] for what, may in BESIDES],
        ),
    ]
    return "\n".join(parts)


def _may(row: Method, kind: Credential) -> bool:
    return row.role == kind.role and (not row.scope or row.scope in kind.scopes)


CREDENTIALS_INTRO = """# What a credential opens

What a credential makes (a link, a cookie, a device's token, a request through a server that relays) is worth what it is
worth itself, at most, and ends with it: by a rotation, a log-out, a device that is revoked, a name that is taken out of
`gateway.auth.owners`. A connection that asks for fewer scopes has fewer; a device has those that were approved.
"""
BESIDES: Sequence[tuple[str, Callable[[Credential], bool]]] = (
    ("`GET media/…`", lambda kind: SCOPE_READ in kind.scopes and not kind.device),
    ("`POST media`", lambda kind: SCOPE_WRITE in kind.scopes and not kind.device),
    ("Jupyter's API on our own port", lambda kind: kind.account),
    ("the new token in the answer of `auth.rotate`", lambda kind: kind.account),
    ("`models.setKey`", lambda kind: SCOPE_ADMIN in kind.scopes and not kind.device),
    ("settings that only the owner changes, by `config.*`", lambda kind: False),
    ("connecting as a node", lambda kind: (SCOPE_ADMIN in kind.scopes and not kind.device) or kind.role == "node"),
)


def _referenced(kind: Any) -> Iterator[str]:
    """The names of the shapes that a schema refers to."""
    if isinstance(kind, dict):
        if "$ref" in kind:
            yield str(kind["$ref"]).removeprefix(REF)
        kind = list(kind.values())
    if isinstance(kind, list):
        for inner in kind:
            yield from _referenced(inner)


def _right(row: Method) -> str:
    return f"Needs `{row.scope}`." if row.scope else "For nodes."


def events() -> str:
    """Every event with its payload."""
    shapes = definitions()
    parts = [_head("clawdbot_ext/protocol/schema/"), EVENTS_INTRO, _contents(EVENTS)]
    for name, row in EVENTS.items():
        ours = " *Ours.*" if row.ours else ""
        cap = f" Sent to clients that announced `{row.cap}`." if row.cap else ""
        parts += [f"## {name}\n", f"{row.help}{ours}{cap}\n", *_outcome("Payload", row.payload, shapes)]
    return "\n".join(parts)


def _outcome(title: str, shape: Any, shapes: Any) -> list[str]:
    if not is_struct(shape):
        return [f"{title}: an object, open for more fields.\n"]
    return _described(shapes[shape.__name__], f"{title}:\n")


def _described(shape: Schema, *title: str) -> list[str]:
    text = [shape["description"] + "\n"] if "description" in shape else []
    return [*text, *title, _fields(shape)]


def _fields(shape: Schema, mark: str = "always") -> str:
    """The table of a shape's fields; ``mark`` heads the column of those that are never left out."""
    required = shape.get("required", ())
    rows = [
        (f"`{name}`", _type(kind), "yes" if name in required else "", kind.get("description", ""))
        for name, kind in shape["properties"].items()
    ]
    return _rows(("field", "type", mark, ""), rows)


def _type(kind: Schema) -> str:
    if "$ref" in kind:
        name = str(kind["$ref"]).removeprefix(REF)
        return f"[{name}](methods.md#{name.lower()})"
    if "anyOf" in kind:
        null_says_absent = kind.get("default", ...) is None
        options = [option for option in kind["anyOf"] if not (null_says_absent and option.get("type") == "null")]
        return " or ".join(_type(option) for option in options)
    if "enum" in kind:
        return " or ".join(f"`{json.dumps(value)}`" for value in kind["enum"])
    if kind.get("type") == "array":
        return f"list of {_type(kind.get('items', {}))}{_bounds(kind, 'Items', 'items')}"
    low, high = kind.get("minimum"), kind.get("maximum")
    if low is not None or high is not None:
        top = "2⁵³" if high == 2**53 else f"{high:,}" if high is not None else "…"
        return f"integer, {low or 0:,} to {top}"
    return f"{kind.get('type', 'any JSON')}{_bounds(kind, 'Length', 'characters')}"


def _bounds(kind: Schema, word: str, unit: str) -> str:
    low, high = kind.get(f"min{word}"), kind.get(f"max{word}")
    if high is None:
        return ", not empty" if low else ""
    return f", {low:,} to {high:,} {unit}" if low else f", at most {high:,} {unit}"


# -- errors -----------------------------------------------------------------------------------------------------------
def error_page() -> str:
    """The exception tree and every reason that is given at one place only."""
    tree = [
        (f"`{cls.code.value}`", _code(cls.reason), "yes" if cls.retryable else "", _plain(cls))
        for cls in _subclasses(GatewayError)
    ]
    raised = [(f"`{reason}`", f"`{code}`", message, f"`{where}`") for reason, code, message, where in _reasons()]
    used = {cls.code for cls in _subclasses(GatewayError)}
    unused = ", ".join(f"`{code.value}`" for code in ErrorCode if code not in used)
    return "\n".join(
        [
            _head("clawdbot_ext/protocol/errors.py"),
            ERRORS_INTRO,
            _rows(("code", "reason", "retry", "meaning"), tree),
            f"Clawdbot's other codes, {unused}, are never sent by this gateway.\n",
            "## Reasons of one place\n",
            "`INVALID_REQUEST` and `UNAVAILABLE` carry one of these where the class alone does not say enough.\n",
            _rows(("reason", "code", "message", "raised in"), raised),
        ]
    )


def _subclasses(cls: type[GatewayError]) -> Iterator[type[GatewayError]]:
    """Those of the protocol, in the order of the tree; other modules may have loaded some of their own."""
    for sub in cls.__subclasses__():
        if sub.__module__ == errors.__name__:
            yield sub
            yield from _subclasses(sub)


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _plain(cls: type[GatewayError]) -> str:
    return (inspect.getdoc(cls) or "").replace("``", "`")


def _reasons() -> list[tuple[str, str, str, str]]:
    """``(reason, code, message, module)`` of every ``SomeError("…", reason="…")`` in the package's source."""
    found: dict[str, tuple[str, str, str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        where = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            cls = _raised(node)
            if cls is None or not isinstance(node, ast.Call) or not node.args:
                continue
            for word in node.keywords:
                if word.arg == "reason" and isinstance(word.value, ast.Constant):
                    found.setdefault(str(word.value.value), (cls.code.value, _template(node.args[0]), where))
    return [(reason, *rest) for reason, rest in sorted(found.items())]


def _raised(node: ast.AST) -> type[GatewayError] | None:
    """The error class that a call makes, as ``NotFound(…)`` or ``errors.NotFound(…)``."""
    if not isinstance(node, ast.Call):
        return None
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    cls = getattr(errors, name, None)
    return cls if isinstance(cls, type) and issubclass(cls, GatewayError) else None


def _template(message: ast.expr) -> str:
    """A message as its source has it, with … for what is filled in."""
    if isinstance(message, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "…"
            for part in message.values
        )
    return str(message.value) if isinstance(message, ast.Constant) else "…"


# -- settings ---------------------------------------------------------------------------------------------------------
def settings() -> str:
    """Every setting, by the first part of its name."""
    parts = [_head("clawdbot_ext/config/settings.py"), "# Settings\n", SETTINGS_INTRO]
    for group in dict.fromkeys(setting.name.split(".")[0] for setting in SETTINGS):
        rows = [(f"`{row.name}`", _default(row), _meaning(row)) for row in SETTINGS if row.name.startswith(f"{group}.")]
        parts += [f"## {group}\n", _rows(("setting", "default", "meaning"), rows)]
    return "\n".join(parts)


def _default(row: Setting) -> str:
    if row.default in ("", ()):
        return ""
    return f"{row.default:,}" if row.unit else f"`{row.default}`"


def _meaning(row: Setting) -> str:
    texts = [row.help]
    if row.unit:
        texts.append(f"Unit: {row.unit}.")
    if row.choices:
        texts.append(f"One of {', '.join(f'`{choice}`' for choice in row.choices if choice)}.")
    if row.minimum is not None and row.maximum is not None:
        texts.append(f"From {row.minimum:,} to {row.maximum:,}.")
    if row.by == "owner":
        texts.append("Not over the wire.")
    if row.restart:
        texts.append("Takes effect at the next start.")
    if row.secret:
        texts.append("Secret: shown only on request.")
    fixed = [(row.name.replace("<name>", "anthropic"), name) for name in row.env] + [
        (full, name)
        for full, names in PROVIDER_ENV.items()
        for name in names
        if full.replace("anthropic", "<name>") == row.name
    ]
    if fixed:
        provider = " (for `anthropic`)" if "<name>" in row.name else ""
        texts.append(f"Environment: {', '.join(f'`{name}`' for _, name in fixed)}{provider}.")
    return " ".join(texts)


# -- slash commands ---------------------------------------------------------------------------------------------------
def commands() -> str:
    """The slash commands in both languages."""
    korean = {row["name"]: row for row in command_rows("ko")}
    rows = [
        (
            f"`/{row['name']}{' ' + row['argument'] if row['argument'] else ''}`",
            row["description"],
            korean[row["name"]]["description"],
            ", ".join(f"`/{alias}`" for alias in row["aliases"]),
        )
        for row in command_rows("en")
    ]
    return "\n".join(
        [
            _head("clawdbot_ext/gateway/commands/table.py"),
            COMMANDS_INTRO,
            _rows(("command", "what it does", "한국어", "also"), rows),
        ]
    )


# -- markdown ---------------------------------------------------------------------------------------------------------
def _head(source: str) -> str:
    return MADE_FROM.format(source=source)


def _contents(names: Any) -> str:
    return " · ".join(f"[{name}](#{name.replace('.', '').lower()})" for name in names) + "\n"


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return (
        "\n".join(
            "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
        )
        + "\n"
    )
