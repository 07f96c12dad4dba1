"""The Jupyter server around the node: its managers, its rules, and where a path leads."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_server.auth.authorizer import AllowAllAuthorizer
from jupyter_server.auth.identity import User
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.services.contents.fileio import FileManagerMixin
from jupyter_server.utils import ApiPath, ensure_async, to_os_path
from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError

from ...config.live import LiveConfig
from ...gateway.access.auth import owner
from ...gateway.access.policy import disabled
from ...gateway.methods.files import inside
from ...protocol.errors import InvalidRequest
from ..contents import call, on_disk, readable
from .errors import HandsError

log = logging.getLogger(__name__)

LONGEST_PATH = 4096
_DRIVE = "RTC:"
"""The drive under which JupyterLab with collaboration names the files of the server's own contents manager."""


@dataclass(frozen=True)
class JupyterHost:
    """A Jupyter server, and the configuration of the gateway."""

    app: Any
    """Jupyter's ``ServerApp``."""
    config: LiveConfig
    _locks: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    @property
    def contents(self) -> Any:
        return self.app.contents_manager

    @property
    def sessions(self) -> Any:
        return self.app.session_manager

    @property
    def kernels(self) -> Any:
        return self.app.kernel_manager

    @property
    def folder(self) -> Path:
        """The directory of the node's own records: copies of notebooks, ids of cells."""
        return self.config().home / "hands"

    def lock(self, path: str) -> asyncio.Lock:
        """The lock of one document; writes to it go one after the other."""
        return self._locks[path]

    # -- rules ------------------------------------------------------------------------------------------------------
    def require_feature(self, command: str) -> None:
        """Raise ``SWITCHED_OFF`` where the administrator took tools, or files, away (``policy.disabled``)."""
        wanted = ["tools", *(["files"] if command.startswith("file.") else [])]
        for feature in wanted:
            if disabled(self.config(), feature):
                raise HandsError(
                    "SWITCHED_OFF", f"{feature}: switched off by the administrator (policy.disabled)", feature=feature
                )

    async def require(self, action: str, resource: str) -> None:
        """Raise ``FORBIDDEN`` unless Jupyter's authorizer lets the gateway's owner do this.

        An authorizer may look at the request, so it gets one that has no connection. A Hub's decides about a login
        that the Hub has checked, which there is none of here; its servers are one user's own.
        """
        authorizer = self.app.authorizer
        if type(authorizer) is AllowAllAuthorizer or type(authorizer).__name__ == "JupyterHubAuthorizer":
            return
        user = User(username=owner(), name=owner(), display_name=owner())
        try:
            allowed = await ensure_async(authorizer.is_authorized(self._handler(user), user, action, resource))
        except Exception:  # a foreign class: whatever it raises is no permission
            log.exception("the authorizer failed for %s on %s", action, resource)
            allowed = False
        if not allowed:
            raise HandsError("FORBIDDEN", f"the Jupyter server's authorizer does not allow {action} on {resource}")

    def _handler(self, user: User) -> JupyterHandler:
        request = HTTPServerRequest(method="POST", uri="/", connection=_NoConnection())  # type: ignore[arg-type]
        handler = JupyterHandler(self.app.web_app, request)
        handler.current_user = user
        return handler

    # -- paths ------------------------------------------------------------------------------------------------------
    async def path(self, given: Any) -> str:
        """The contents manager's spelling of ``given``, which lies inside its root and is not hidden.

        A name that is typed in another form of Unicode than the disk has finds what is there.

        Raises:
            HandsError: ``BAD_PATH``; ``NOT_FOUND`` for what is hidden or the gateway's own; ``OUTSIDE`` for a link
                that leads out of the root.
        """
        if not isinstance(given, str) or len(given) > LONGEST_PATH:
            raise HandsError("BAD_PATH", "path must be a text of at most 4096 characters")
        try:
            path = inside(given.removeprefix(_DRIVE))
            path.encode()
        except (InvalidRequest, UnicodeEncodeError) as exc:
            raise HandsError("BAD_PATH", "the path must lie inside the server's root") from exc
        await self.local(path)
        real = await on_disk(self.contents, path)
        if real != path and readable(real) == real:  # what is no UTF-8 has no name on the wire
            path = real
            await self.local(path)
        try:
            hidden = path and not self.contents.allow_hidden and await call(self.contents.is_hidden, path)
        except (OSError, HTTPError) as exc:
            raise HandsError("NOT_FOUND", f"no such file: {path}") from exc
        if hidden:
            raise HandsError("NOT_FOUND", f"no such file: {path}")
        return path

    async def local(self, path: str) -> Path | None:
        """The file of a path on this machine's disk, links followed; ``None`` where contents are kept elsewhere.

        Raises ``HandsError`` as ``path`` does.
        """
        if not isinstance(self.contents, FileManagerMixin):
            return None
        return await asyncio.to_thread(self._local, path)

    async def inside_root(self, paths: Sequence[str]) -> frozenset[str]:
        """Those of the paths that ``local`` would not refuse."""
        if not isinstance(self.contents, FileManagerMixin):
            return frozenset(paths)

        def allowed(path: str) -> bool:
            try:
                return bool(self._local(path))
            except HandsError:
                return False

        return frozenset(await asyncio.to_thread(lambda: [path for path in paths if allowed(path)]))

    def _local(self, path: str) -> Path:
        top = os.path.realpath(self.contents.root_dir)
        try:
            real = Path(os.path.realpath(to_os_path(ApiPath(path), top)))
        except (OSError, ValueError) as exc:
            raise HandsError("BAD_PATH", f"the path cannot be followed: {exc}") from exc
        if not real.is_relative_to(top):
            raise HandsError("OUTSIDE", f"{path} leads out of the server's root by a link")
        config = self.config()
        state = os.path.realpath(config.state)
        own = [os.path.realpath(config.home), *([] if Path(top).is_relative_to(state) else [state])]
        if any(real.is_relative_to(folder) for folder in own):
            raise HandsError("NOT_FOUND", f"no such file: {path}")
        return real


class _NoConnection:
    """The connection of a request that was not sent."""

    def set_close_callback(self, callback: Any) -> None:
        """Keep nothing: it never closes."""
