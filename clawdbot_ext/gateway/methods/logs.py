"""``logs.tail``: the newest lines of the log file, and what came since."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ...protocol.schema import LogsTailParams, LogsTailResult
from ..connections.connection import Connection
from ..registry import method
from ..services import Services

LIMIT, MAX_BYTES = 500, 250_000


@method("logs.tail")
async def logs_tail(services: Services, caller: Connection, params: LogsTailParams) -> LogsTailResult:
    """Read in a thread: the file may lie on a slow disk."""
    path = services.config().home / "logs" / "gateway.log"
    return await asyncio.to_thread(tail, path, params.cursor, params.limit or LIMIT, params.max_bytes or MAX_BYTES)


def tail(path: Path, cursor: int | None, limit: int, max_bytes: int) -> LogsTailResult:
    """The last ``limit`` whole lines of the file, of at most ``max_bytes`` bytes, after the byte ``cursor``.

    A line that is being written is left for the next call. A file that is shorter than ``cursor`` was rotated.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return LogsTailResult(file=str(path), cursor=0, size=0, lines=[], truncated=False, reset=bool(cursor))
    with file:
        size = file.seek(0, 2)
        reset = cursor is not None and cursor > size
        start = 0 if cursor is None or reset else cursor
        begin = max(start, size - max_bytes)
        file.seek(max(begin - 1, 0))
        data = file.read(size - max(begin - 1, 0))
    if begin > start:  # in the middle of a line, unless the byte before ends one
        data = data.partition(b"\n")[2]
    elif begin:
        data = data[1:]
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.decode("utf-8", "replace").splitlines()
    return LogsTailResult(
        file=str(path),
        cursor=size - (len(data) - len(whole)),
        size=size,
        lines=lines[-limit:],
        truncated=begin > start or len(lines) > limit,
        reset=reset,
    )
