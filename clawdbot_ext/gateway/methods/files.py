"""``files.list``: files of the Jupyter server, through the contents manager that the edge brings along.

The gateway knows only ``Listing``, a function of a path: what is hidden and what lies outside the root is decided by
Jupyter, the same as in its own file browser.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from ...protocol.errors import InvalidRequest, Unavailable
from ...protocol.schema import FileEntry, FilesListParams, FilesListResult
from ...store.db import fold
from ..connections.connection import Connection
from ..registry import method
from ..services import Services

Listing = Callable[[str], Awaitable[Sequence[FileEntry]]]
"""The visible entries of a directory, given from the root and without a slash at either end.

Raises ``NotFound``, or ``Unavailable`` when the disk does not let it be read.
"""

LIMIT, QUERY_LIMIT = 200, 50
MAX_DIRECTORIES = 300
"""The number of directories a query searches: a quick answer counts for more than a whole disk."""


@method("files.list")
async def files_list(services: Services, caller: Connection, params: FilesListParams) -> FilesListResult:
    """Raises ``Unavailable`` (``NO_FILES``) where there is no contents manager, ``InvalidRequest``, ``NotFound``."""
    if services.host.list_files is None:
        raise Unavailable("this gateway has no file server", reason="NO_FILES")
    path = inside(params.path or "")
    query = fold((params.query or "").strip())
    if query:
        found, whole = await _find(services.host.list_files, path, query)
        limit = params.limit or QUERY_LIMIT
    else:
        found = sorted(
            await services.host.list_files(path), key=lambda entry: (entry.type != "directory", entry.name.casefold())
        )
        limit, whole = params.limit or LIMIT, True
    return FilesListResult(path=path, entries=found[:limit], truncated=len(found) > limit or not whole)


def inside(path: str) -> str:
    """The path without slashes around it. Raises ``InvalidRequest`` for one that leads out of the root."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or "\\" in path or any(ord(character) < 32 for character in path):
        raise InvalidRequest("the path must lie inside the server's root", reason="BAD_PATH")
    return "/".join(parts)


async def _find(files: Listing, top: str, query: str) -> tuple[list[FileEntry], bool]:
    """Entries below ``top`` whose path contains ``query``, nearest to the root first, names that begin so before all.

    Returns whether everything was looked through.
    """
    found: list[FileEntry] = []
    waiting, looked = deque([top]), 0
    while waiting and looked < MAX_DIRECTORIES:
        here = waiting.popleft()
        looked += 1
        try:
            entries = await files(here)
        except (InvalidRequest, Unavailable):
            if here == top:
                raise
            continue  # it went away meanwhile, or may not be read
        waiting += [entry.path for entry in entries if entry.type == "directory"]
        found += [entry for entry in entries if query in fold(entry.path).removeprefix(fold(top))]
    found.sort(
        key=lambda entry: (
            not fold(entry.name).startswith(query),
            query not in fold(entry.name),
            entry.path.count("/"),
            entry.path.casefold(),
        )
    )
    return found, not waiting
