"""``clawdbot import``: conversations of another Clawdbot, or of an export, into this gateway."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..escapes import clean
from ..protocol.errors import GatewayError
from ..text_decoding import SAMPLE, encoding_of
from .connection import Target, gateway_options, with_client
from .exit_codes import FAILED
from .printing import note, out, say

if TYPE_CHECKING:
    from ..client.gateway_client import GatewayClient

PART_CHARS = 4 * 1024 * 1024
"""A file is sent in parts of about this much: a large one is never in memory, nor in one frame, as a whole."""
TIMEOUT_S = 120.0
LABEL_CHARS = 120


@click.command("import", help=say("help.import"))
@click.argument("path", metavar="FILE|FOLDER", type=click.Path(exists=True, path_type=Path))
@gateway_options
def command(target: Target, path: Path) -> None:
    """One file, or every transcript of a folder."""
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    named = labels(path if path.is_dir() else path.parent)
    if not files:
        raise click.UsageError(say("import.empty", path=path))

    async def work(client: GatewayClient) -> tuple[int, int, int]:
        keys: set[str] = set()
        messages = failed = 0
        for number, file in enumerate(files, 1):
            try:
                told = partial(say, "import.part", number=number, count=len(files), file=clean(file.name))
                added, skipped, key = await _send(client, file, named.get(file.stem), told)
            except GatewayError as exc:
                failed += 1
                note(say("import.failed", file=clean(file.name), problem=clean(exc.message)))
                continue
            keys.add(key)
            messages += added
            note(
                say(
                    "import.progress",
                    number=number,
                    count=len(files),
                    file=clean(file.name),
                    messages=added,
                    skipped=skipped,
                )
            )
        return len(keys), messages, failed

    sessions, messages, failed = with_client(target, work)
    out(say("import.done", sessions=sessions, messages=messages, failed=failed))
    if failed:
        raise click.exceptions.Exit(FAILED)


async def _send(client: GatewayClient, file: Path, label: str | None, told: Callable[..., str]) -> tuple[int, int, str]:
    """Count of messages added, count of lines left out, and the session. Raises ``GatewayError``.

    Of a file in several parts it is said how far it has come, in the words of ``told``."""
    added = skipped = sent = 0
    key = ""
    size = max(1, await asyncio.to_thread(os.path.getsize, file))
    for part in parts(file):
        if sent:
            note(told(percent=min(99, 100 * sent // size)))
        sent += len(part.encode("utf-8", "replace"))
        request = {"name": file.name, "content": part, **({"label": label} if label else {})}
        answer = await client.request("sessions.import", request, timeout_s=TIMEOUT_S)
        added, skipped, key = added + answer["messages"], skipped + len(answer["skipped"]), answer["keys"][0]
    return added, skipped, key


def labels(folder: Path) -> dict[str, str]:
    """Names that Clawdbot's ``sessions.json`` gives to the transcripts beside it, by session id; empty if there is
    none."""
    try:
        rows = json.loads((folder / "sessions.json").read_text(encoding="utf-8-sig", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return {}
    named = {}
    for row in rows.values() if isinstance(rows, dict) else ():
        label = (row.get("label") or row.get("displayName")) if isinstance(row, dict) else None
        if isinstance(label, str) and isinstance(row.get("sessionId"), str):
            named[row["sessionId"]] = label.strip()[:LABEL_CHARS]
    return named


def parts(file: Path) -> Iterator[str]:
    """Split a file for sending: a transcript in parts that each begin with its header, or our export in parts that are
    exports of fewer messages. Raises ``OSError``."""
    with file.open("rb") as data:
        encoding = encoding_of(data.read(SAMPLE))
    with file.open(encoding=encoding, errors="replace") as lines:
        header = lines.readline(PART_CHARS)
        if not _is_row(header):
            yield from _documents(header + lines.read())
            return
        part, size, sent = [header], len(header), False
        for line in lines:
            if size + len(line) > PART_CHARS and len(part) > 1:
                yield "".join(part)
                part, size, sent = [header], len(header), True
            part.append(line)
            size += len(line)
        if len(part) > 1 or not sent:
            yield "".join(part)


def _is_row(line: str) -> bool:
    """Report whether it is a line of a transcript. One without a header begins with a message, which each part then
    repeats."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and ("role" in found or found.get("type") in ("session", "message"))


def _documents(text: str) -> Iterator[str]:
    """An export as it is, or if it is large, in several: each message then names what it was said to, and brings its
    files."""
    if len(text) <= PART_CHARS:
        yield text
        return
    try:
        document = json.loads(text)
        rows, media = _said_to(document), dict(document.get("media") or {})
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):  # no export: the gateway says so better
        yield text
        return
    head = {name: value for name, value in document.items() if name not in ("messages", "branches", "media")}
    part: dict[str, Any] = {}
    size = 0
    for list_, row in rows:
        blocks = [block for block in row.get("content") or () if isinstance(block, dict)]
        files = {block["mediaId"]: media[block["mediaId"]] for block in blocks if block.get("mediaId") in media}
        length = len(json.dumps([row, files]))
        if part and size + length > PART_CHARS:
            yield json.dumps(part, ensure_ascii=False)
            part, size = {}, 0
        part = part or {**head, "messages": [], "branches": [], "media": {}}
        part[list_].append(row)
        part["media"].update(files)
        size += length
    if part:
        yield json.dumps(part, ensure_ascii=False)


def _said_to(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The messages with ``parentId``, and the list that each is from, as they were written. Raises what comes of it
    when it is no export of ours."""
    before = None
    rows = []
    for row in document["messages"]:
        rows.append(("messages", {"parentId": before, **row}))
        before = row["id"]
    rows += [("branches", row) for row in document.get("branches") or ()]
    return sorted(rows, key=lambda each: each[1]["seq"])
