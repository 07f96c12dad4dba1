"""The configuration file: read, check, redact, change. JSON5 in, atomic and private out.

A tree is the file's content as nested mappings. ``settings`` says what may be in it; ``loading`` puts the file
together with flags and the environment. Every change goes through ``_change``: one lock, one check, one atomic write.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .. import private_files
from ..protocol.errors import Stale
from .setting_types import ConfigError, OwnerOnly, is_hidden, wrong
from .validation import check, find, is_branch, unknown

REDACTED = "__REDACTED__"
"""Placeholder of a secret in every output of the configuration. Written back, it keeps the stored secret."""

MAX_BYTES = 1_000_000
"""A larger file is refused unread."""


@dataclass(frozen=True)
class FileContent:
    """A configuration file as it is on disk. ``tree`` is ``None`` when ``problem`` says why it cannot be read."""

    exists: bool
    raw: str
    tree: Mapping[str, Any] | None
    hash: str
    problem: ConfigError | None = None


# -- reading ----------------------------------------------------------------------------------------------------------
def parse(text: str, name: str = "value") -> Any:
    """The value of a JSON5 text. Strict JSON never pays for the JSON5 parser.

    Raises:
        ConfigError: named ``name``, with the position.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass  # JSON5, which is slow to import and slow to run
    try:
        return json.loads(_as_json(text))
    except (ValueError, RecursionError) as exc:
        raise wrong(name, "json5", detail=str(exc).replace("<string>:", "line ") or "nested too deeply") from None


@lru_cache(4)
def _as_json(text: str) -> str:
    """Strict JSON for a JSON5 text. 4 KB take 50 ms, and the same file is read again and again."""
    import json5

    return json.dumps(json5.loads(text, allow_duplicate_keys=False))


def read(path: Path) -> FileContent:
    """The file at ``path``. One that is absent is empty; one that is broken has a ``problem``."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return FileContent(True, "", None, "", wrong(str(path), "fileSize", most=MAX_BYTES))
        data = path.read_bytes()
    except FileNotFoundError:
        return FileContent(False, "", {}, _hash(b""))
    except OSError as exc:
        return FileContent(True, "", None, "", wrong(str(path), "unreadable", detail=exc.strerror))
    raw = ""
    try:
        raw = data.decode("utf-8-sig")
        return FileContent(True, raw, _tree(raw, str(path)), _hash(data))
    except UnicodeDecodeError:
        return FileContent(True, raw, None, _hash(data), wrong(str(path), "utf8"))
    except ConfigError as exc:
        return FileContent(True, raw, None, _hash(data), exc)


def _tree(raw: str, name: str) -> Mapping[str, Any]:
    tree = parse(raw, name) if raw.strip() else {}
    if not isinstance(tree, dict):
        raise wrong(name, "object")
    return tree


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted names of ``tree`` with their values; goes down only where settings have parts."""
    for key, value in tree.items():
        name = prefix + (f'"{key}"' if "." in key else key)  # quoted, it is no setting: parts must be nested objects
        if isinstance(value, Mapping) and is_branch(name):
            yield from leaves(value, f"{name}.")
        else:
            yield name, value


def issues(tree: Mapping[str, Any]) -> list[ConfigError]:
    """Everything that is wrong with a tree, in its order."""
    found = []
    for name, value in leaves(tree):
        try:
            if is_branch(name):
                raise wrong(name, "object")
            check(name, value)
        except ConfigError as exc:
            found.append(exc)
    return found


def values(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The checked settings of a tree by dotted name. Raises the first of its ``issues``."""
    return {name: check(name, value) for name, value in leaves(tree)}


def unflatten(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names → nested objects."""
    tree: dict[str, Any] = {}
    for name, value in settings.items():
        *branches, leaf = name.split(".")
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        node[leaf] = list(value) if isinstance(value, tuple) else value
    return tree


# -- secrets ----------------------------------------------------------------------------------------------------------
def redact(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of ``tree`` with every secret that is set replaced by ``REDACTED``.

    What is not a known setting is shown by its shape only: a misspelt ``tokn`` may hold a secret as well.
    """
    return _redact(tree, "")


def _redact(tree: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    copy: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        setting = find(name)
        if setting is None and isinstance(value, Mapping) and is_branch(name):
            copy[key] = _redact(value, f"{name}.")
        elif setting is not None and setting.type == "tree" and isinstance(value, Mapping):
            copy[key] = {who: _redact(own, "") if isinstance(own, Mapping) else REDACTED for who, own in value.items()}
        elif is_hidden(setting, value):
            copy[key] = REDACTED
        else:
            copy[key] = list(value) if isinstance(value, tuple) else value
    return copy


def _restore(tree: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Put the stored value where ``tree`` has the marker; a marker for what is not stored here is left out."""
    copy: dict[str, Any] = {}
    for key, value in tree.items():
        old = stored.get(key)
        if value == REDACTED:
            if key in stored:
                copy[key] = old
        elif isinstance(value, Mapping):
            copy[key] = _restore(value, old if isinstance(old, Mapping) else {})
        else:
            copy[key] = value
    return copy


# -- changing ---------------------------------------------------------------------------------------------------------
def write_raw(
    path: Path, raw_json5: str, *, base_hash: str | None, in_force: InForce | None = None, guard: Guard | None = None
) -> str:
    """Replace the file by ``raw_json5`` and return the new hash; comments in it are kept.

    ``base_hash`` is the hash the caller last saw, or ``None`` to write over whatever is there; ``in_force``
    is given where a client asks, to whom the values in force were shown.

    Raises:
        OwnerOnly: a client would change what only the owner may.
        ConfigError: the text is not JSON5 or has a wrong name or value; nothing is written.
        Stale: the file's hash is not ``base_hash``.
    """
    given = _tree(raw_json5, "config")

    def change(stored: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
        tree = _restore(given, stored)
        return tree, raw_json5 if tree == given else dump(tree)

    needs_stored = REDACTED in raw_json5
    return _change(path, change, base_hash, needs_stored=needs_stored, repair=False, in_force=in_force, guard=guard)


def take_back(path: Path, wrote: str, before: bytes | None) -> bool:
    """Put back what a change that wrote the file with that hash has replaced (``None``: there was no file), unless
    another has changed it since; then its change stays, and ``False`` is returned."""
    with _locked(path):
        if read(path).hash != wrote:
            return False
        if before is None:
            path.unlink()
        else:
            private_files.write(path, before, follow=True)
        return True


def merge(
    path: Path, patch: Any, *, base_hash: str | None, in_force: InForce | None = None, guard: Guard | None = None
) -> str:
    """Merge ``patch`` into the file: objects by key, ``None`` removes. Returns the new hash.

    Raises as ``write_raw``, and ``ConfigError`` when the file cannot be read.
    """
    if not isinstance(patch, Mapping):  # it may come from a client's JSON5
        raise wrong("config", "object")

    def change(stored: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
        tree = _merged(stored, patch)
        return tree, dump(tree)

    return _change(path, change, base_hash, needs_stored=True, repair=True, in_force=in_force, guard=guard)


def set_value(path: Path, name: str, value: Any, *, guard: Guard | None = None) -> str:
    """Write one setting, or one object of settings such as ``gateway.auth``. Returns the new hash.

    Raises:
        ConfigError: no such setting, or a wrong value.
    """
    if find(name) is None and not is_branch(name):
        raise unknown(name)
    if find(name) is not None:
        value = check(name, value)
    elif not isinstance(value, Mapping):
        raise wrong(name, "branch")
    nested: Any = list(value) if isinstance(value, tuple) else value
    for part in reversed(name.split(".")):
        nested = {part: nested}
    return merge(path, nested, base_hash=None, guard=guard)


def unset_value(path: Path, name: str, *, guard: Guard | None = None) -> str:
    """Remove ``name`` and what is below it, so that its default holds again. Returns the new hash.

    Raises:
        ConfigError: the file does not set it, and it is no setting either.
    """

    def change(stored: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
        tree, removed = _without(stored, name.split("."))
        if not removed and find(name) is None and not is_branch(name):
            raise unknown(name)
        return tree, dump(tree)

    return _change(path, change, None, needs_stored=True, repair=True, guard=guard)


Guard = Callable[[Mapping[str, Any], Mapping[str, Any]], None]
"""Looks at the stored tree and the new one before that is written; raises to keep it from being."""
InForce = Callable[[str], Any]
"""Dotted name → the value in force."""
Change = Callable[[Mapping[str, Any]], tuple[Mapping[str, Any], str]]
"""From the stored tree to the new one and its text."""


def _change(
    path: Path,
    change: Change,
    base_hash: str | None,
    *,
    needs_stored: bool,
    repair: bool,
    in_force: InForce | None = None,
    guard: Guard | None = None,
) -> str:
    """Read, change, check and write under a lock; returns the new hash.

    ``needs_stored``: a file that cannot be read must not be replaced. ``repair``: problems that were there before are
    no obstacle, so that a file with two mistakes can be mended one by one.
    """
    if not path.parent.is_dir():
        private_files.make_directory(path.parent)
    with _locked(path):
        content = read(path)
        if base_hash is not None and base_hash != content.hash:
            raise Stale("the configuration has changed since it was read", hash=content.hash)
        if content.problem is not None and needs_stored:
            raise content.problem
        tree, text = change(content.tree or {})
        if in_force is not None:
            kept = _with_owners_own(content.tree or {}, tree, in_force)
            tree, text = kept, text if kept == tree else dump(kept)
        known = {str(issue) for issue in issues(content.tree or {})} if repair else set()
        for issue in issues(tree):
            if str(issue) not in known:
                raise issue
        if guard is not None:
            guard(content.tree or {}, tree)
        data = text.encode()
        if content.exists and data == content.raw.encode():
            return content.hash
        if content.raw and not is_strict(content.raw):  # a hand-written file: its comments go, a copy of it stays
            private_files.write(path.with_name(f"{path.name}.bak"), content.raw.encode())
        private_files.write(path, data, follow=True)
        return _hash(data)


def _with_owners_own(before: Mapping[str, Any], after: Mapping[str, Any], in_force: InForce) -> Mapping[str, Any]:
    """``after`` without what the file does not set and is the owner's: Clawdbot's page sends all values in force back.

    Raises:
        OwnerOnly: one of the owner's settings would get another value.
    """
    old, new = dict(leaves(before)), dict(leaves(after))
    for name in sorted({*old, *new}):
        setting = find(name)
        of_owner = setting.by == "owner" if setting is not None else is_branch(name)  # another thing in their place
        if not of_owner or (name in old and old[name] == new.get(name)):
            continue
        if name in old or setting is None or not _is(name, new[name], in_force):
            raise OwnerOnly(name)
        after, _ = _without(after, name.split("."))
    return after


def _is(name: str, value: Any, in_force: InForce) -> bool:
    try:
        return bool(check(name, value) == in_force(name))
    except ConfigError:
        return False


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes from changing the same file between our read and our write."""
    with open(path.with_name(f".{path.name}.lock"), "a", opener=_private_opener) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _private_opener(name: str, flags: int) -> int:
    return private_files.open_file(Path(name), flags)


def dump(tree: Mapping[str, Any]) -> str:
    """The text we write for a tree."""
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def is_strict(raw: str) -> bool:
    try:
        json.loads(raw)
    except ValueError:
        return False
    return True


def _merged(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``patch`` over it; the marker and empty objects change nothing, ``None`` removes."""
    result = dict(base)
    for key, value in patch.items():
        old = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = _merged(old if isinstance(old, Mapping) else {}, value)
        elif value != REDACTED:
            result[key] = value
    return {key: value for key, value in result.items() if value != {}}


def _without(tree: Mapping[str, Any], parts: list[str]) -> tuple[dict[str, Any], bool]:
    copy = dict(tree)
    head, *rest = parts
    if head not in copy:
        return copy, False
    if not rest:
        del copy[head]
        return copy, True
    if not isinstance(copy[head], Mapping):
        return copy, False
    copy[head], removed = _without(copy[head], rest)
    if not copy[head]:
        del copy[head]
    return copy, removed
