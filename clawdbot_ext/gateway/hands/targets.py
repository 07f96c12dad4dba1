"""The node that carries out a command: the page that asked, another page with the document, or the Jupyter server.

Paths are relative to Jupyter's root and spelled as JupyterLab spells them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ...agent.tools import ToolFailed
from ...protocol.schema import Change
from ..connections.connection import Connection
from ..connections.nodes import NodeFailed, NodeGone, Nodes

CAP = "notebook"
"""The capability that notebook nodes announce."""
MAX_PATH = 4096
LOOK_S = 10.0
"""How long a page may take to say which notebooks it has; a page that hangs is passed over."""

BACK_S, LOOK_AGAIN_S = 5.0, 0.1
"""How long, and how often, a page is looked for that comes back after a restart of the gateway."""

MAX_SESSIONS = 1000
"""Sessions whose last server is remembered."""

Progress = Callable[[Mapping[str, Any]], None]


class Asking(Protocol):
    """The facts about a call that its node is chosen by; ``ToolContext`` has them."""

    @property
    def session_key(self) -> str: ...

    @property
    def asker(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Target:
    """A node for one document."""

    nodes: Nodes
    node: Connection
    path: str

    @property
    def name(self) -> str:
        """As people know it."""
        return str(self.node.info["displayName"])

    @property
    def server(self) -> str:
        """``instanceId`` of the node of the Jupyter server that has the document; empty: a page that does not say."""
        return _instance(self.node) if self.is_server else _server(self.node)

    @property
    def is_server(self) -> bool:
        """Whether it is the Jupyter server, which works on files and kernels, and not a page with a live document."""
        return is_server(self.node)

    async def __call__(self, command: str, *, progress: Progress = lambda data: None, **params: Any) -> Any:
        """Have the node carry out a command on the document. Raises ``NodeFailed``, ``NodeGone``."""
        if command not in self.node.commands:
            raise NodeFailed("NOT_OFFERED", f"{self.name} has no command {command}")
        return await self.nodes.command(self.node, command, {"path": self.path, **params}, progress=progress)


class Targets:
    """Finds the node for a command."""

    def __init__(self, nodes: Nodes, last_changed: Callable[[str], Awaitable[str]]) -> None:
        """``last_changed`` gives the server of a session's newest change; empty: there is none."""
        self._nodes, self._last_changed = nodes, last_changed
        self._last: dict[str, str] = {}
        """Session key → the server of the notebook that was asked for last."""

    async def of_notebook(self, path: str, asking: Asking) -> Target:
        """The node for a notebook. Raises ``ToolFailed`` where there is none."""
        found = await self._of_notebook(checked(path), asking.asker, await self._home(asking))
        self._remember(asking, found)
        return found

    async def _of_notebook(self, path: str, asker: Mapping[str, Any], home: str) -> Target:
        """Pages of other servers come after the session's own server, which may have another file of that name."""
        pages = self._pages(asker)
        near = [page for page in pages if not home or _server(page) in ("", home)]
        for page in near:
            if any(each.get("path") == path for each in await self._notebooks(page)):
                return Target(self._nodes, page, path)
        far = [page for page in pages if page not in near]
        if far and (server := self._server(home)) is not None and await self._has(server, path):
            return Target(self._nodes, server, path)
        for page in far:
            if any(each.get("path") == path for each in await self._notebooks(page)):
                return Target(self._nodes, page, path)
        return await self._server_of(path, home)

    async def _server_of(self, path: str, home: str) -> Target:
        """The Jupyter server of a notebook: one where it runs, else one that has it, the session's own first.

        Raises ``ToolFailed`` where none is a node."""
        servers = sorted(self._servers(), key=lambda server: _instance(server) != home)
        if not servers:
            raise nowhere()
        if len(servers) > 1:
            for server in servers:
                if any(each.get("path") == path for each in await self._notebooks(server)):
                    return Target(self._nodes, server, path)
            for server in servers:
                if await self._has(server, path):
                    return Target(self._nodes, server, path)
        return Target(self._nodes, servers[0], path)

    async def _home(self, asking: Asking) -> str:
        """The server that a session works on: that of the page that asked, else the last one; empty: not known."""
        for page in self._pages(asking.asker):
            if _instance(page) == asking.asker.get("instanceId") and _server(page):
                return _server(page)
        return self._last.get(asking.session_key) or await self._last_changed(asking.session_key)

    def _remember(self, asking: Asking, found: Target) -> None:
        if found.server:
            self._last.pop(asking.session_key, None)
            self._last[asking.session_key] = found.server
            for key in list(self._last)[:-MAX_SESSIONS]:
                del self._last[key]

    def _server(self, instance: str) -> Connection | None:
        return next((server for server in self._servers() if _instance(server) == instance), None)

    async def _has(self, server: Connection, path: str) -> bool:
        looking = self._nodes.command(server, "notebook.read", {"path": path, "cells": [], "outputs": "none"})
        try:
            await asyncio.wait_for(looking, LOOK_S)
        except (NodeFailed, NodeGone, asyncio.TimeoutError):
            return False
        return True

    async def of_new(self, path: str, asking: Asking) -> Target:
        """The node that creates a notebook: the page that asked, which opens it, else the session's server."""
        path = checked(path)
        for page in self._pages(asking.asker):
            if _instance(page) == asking.asker.get("instanceId") and "notebook.create" in page.commands:
                return Target(self._nodes, page, path)
        return await self.of_server(path, asking)

    async def of_server(self, path: str, asking: Asking) -> Target:
        """The session's Jupyter server, else the newest. Raises ``ToolFailed`` where none is a node."""
        path = checked(path)
        servers = self._servers()
        if not servers:
            raise nowhere()
        return Target(self._nodes, self._server(await self._home(asking)) or servers[0], path)

    async def of_folder(self, path: Any, asking: Asking) -> Target:
        """The server, for a folder; empty: the root. Raises ``ToolFailed`` where none is a node."""
        folder = str(path).strip().strip("/")
        found = await self.of_server(folder or "root", asking)
        return found if folder else replace(found, path="")

    async def of_change(self, change: Change, asker: Mapping[str, Any], *, file: bool = False) -> Target:
        """The node for what was changed, on the server where that was. Raises ``ToolFailed`` where there is none."""
        home = change.server or ""
        if file:
            servers = self._servers()
            server = self._server(home) if home else servers[0] if servers else None
            if server is None:
                raise nowhere()
            return Target(self._nodes, server, checked(change.path))
        found = await self._of_notebook(checked(change.path), asker, home)
        if home and found.server not in ("", home):
            raise nowhere()
        return found

    async def notebooks(self, asking: Asking) -> list[dict[str, Any]]:
        """Every notebook that a node has, once: as the page that asked has it, if it does."""
        asker = asking.asker
        nodes = [*self._pages(asker), *self._servers()]
        listed = await asyncio.gather(*(self._notebooks(node) for node in nodes))
        found: dict[str, dict[str, Any]] = {}
        for node, notebooks in zip(nodes, listed, strict=True):
            mine = _instance(node) == asker.get("instanceId")
            for each in notebooks:
                row = {**each, "where": str(node.info["displayName"]), "asking": mine}
                if not mine:
                    row["current"] = False  # current there, not for the person who asks
                found.setdefault(str(each.get("path")), row)
        return list(found.values())

    async def wait_for_page(self, asker: Mapping[str, Any]) -> None:
        """Wait a moment for the page that asked, if it is not connected (yet)."""
        waited = 0.0
        while not any(_instance(page) == asker.get("instanceId") for page in self._pages(asker)) and waited < BACK_S:
            await asyncio.sleep(LOOK_AGAIN_S)
            waited += LOOK_AGAIN_S

    async def _notebooks(self, node: Connection) -> Sequence[Mapping[str, Any]]:
        if "notebook.list" not in node.commands:
            return ()
        try:
            listed = await asyncio.wait_for(self._nodes.command(node, "notebook.list", {}), LOOK_S)
        except (NodeFailed, NodeGone, asyncio.TimeoutError):
            return ()
        rows = listed.get("notebooks") if isinstance(listed, Mapping) else None
        return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else ()

    def _pages(self, asker: Mapping[str, Any]) -> list[Connection]:
        """Pages, the one that asked first, then the newest."""
        pages = [node for node in self._nodes.connected().values() if CAP in node.caps and not is_server(node)]
        return sorted(pages, key=lambda node: (_instance(node) != asker.get("instanceId"), -node.connected_at))

    def _servers(self) -> list[Connection]:
        """Jupyter servers, the newest first: the one around this gateway was there before all others."""
        servers = [node for node in self._nodes.connected().values() if CAP in node.caps and is_server(node)]
        return sorted(servers, key=lambda node: -node.connected_at)


def is_server(node: Connection) -> bool:
    """Whether a notebook node is a Jupyter server: it alone reads and writes files."""
    return "file.read" in node.commands


def nowhere() -> ToolFailed:
    return ToolFailed(
        "The notebook is not open in any connected JupyterLab or Notebook page, and no Jupyter server is connected "
        "that could open it. Ask the person to open it in JupyterLab with this assistant's extension."
    )


def checked(path: Any) -> str:
    """A path in its one spelling. Raises ``ToolFailed`` for what is no path inside Jupyter's root."""
    if not isinstance(path, str) or not path.strip():
        raise ToolFailed("path is missing: give the notebook's or file's path as notebook_list or file_list spells it")
    plain = path.strip()
    while plain.startswith("./"):
        plain = plain[2:]
    drive, colon, rest = plain.partition(":")
    inside = rest if colon and "/" not in drive else plain
    parts = inside.split("/")
    bad = (
        len(plain) > MAX_PATH
        or inside.startswith(("/", "~", "\\"))
        or ".." in parts
        or "." in parts
        or "" in parts[:-1]
        or "\\" in plain
        or any(ord(character) < 32 or ord(character) == 127 for character in plain)
    )
    if bad:
        raise ToolFailed(f"{path!r:.200} is not a path inside Jupyter's folder; give it relative to that, without ..")
    return plain


def _instance(node: Connection) -> str:
    return str(node.info["instanceId"])


def _server(node: Connection) -> str:
    """The server that a page says it came from."""
    return str(node.info.get("serverId") or "")
