"""``clawdbot import``: conversations of another Clawdbot, or of an export, into this gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..protocol.errors import GatewayError
from .connection import Target, gateway_options, with_client
from .exits import FAILED
from .output import clean, note, out, say

if TYPE_CHECKING:
    from ..client import GatewayClient

PART_CHARS = 4 * 1024 * 1024
"""A file is sent in parts of about this much: a large one is never in memory, nor in one frame, as a whole."""
TIMEOUT_S = 120.0


@click.command("import", help=say("help.import"))
@click.argument("path", metavar="FILE|FOLDER", type=click.Path(exists=True, path_type=Path))
@gateway_options
def command(target: Target, path: Path) -> None:
    """One file, or every transcript of a folder."""
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise click.UsageError(say("import.empty", path=path))

    async def work(client: GatewayClient) -> tuple[int, int, int]:
        keys: set[str] = set()
        messages = failed = 0
        for number, file in enumerate(files, 1):
            try:
                added, skipped, key = await _send(client, file)
            except GatewayError as exc:
                failed += 1
                note(say("import.failed", file=clean(file.name), problem=clean(exc.message)))
                continue
            keys.add(key)
            messages += added
            note(say("import.progress", number=number, count=len(files), file=clean(file.name), messages=added,
                     skipped=skipped))
        return len(keys), messages, failed

    sessions, messages, failed = with_client(target, work)
    out(say("import.done", sessions=sessions, messages=messages, failed=failed))
    if failed:
        raise click.exceptions.Exit(FAILED)


async def _send(client: GatewayClient, file: Path) -> tuple[int, int, str]:
    """How many messages were added and how many lines left out, and the session. Raises ``GatewayError``."""
    added = skipped = 0
    key = ""
    for part in parts(file):
        answer = await client.request("sessions.import", {"name": file.name, "content": part}, timeout_s=TIMEOUT_S)
        added, skipped, key = added + answer["messages"], skipped + len(answer["skipped"]), answer["keys"][0]
    return added, skipped, key


def parts(file: Path) -> Iterator[str]:
    """A JSONL transcript in parts that each begin with its header; any other file as it is. Raises ``OSError``."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        header = lines.readline()
        if not _is_header(header):
            yield header + lines.read()
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


def _is_header(line: str) -> bool:
    try:
        found = json.loads(line)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("type") == "session"
