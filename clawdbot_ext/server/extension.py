"""The Jupyter Server extension: the gateway's routes in the standalone server and in an ordinary ``jupyter lab``.

In a Lab, loading it adds one rule to the router and imports little else, so that the Lab's start is not delayed. The
rest is loaded when the server answers (``leadership``) and with the first request (``lazy_router``).
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join
from tornado.routing import PathMatches, Rule
from tornado.web import Application
from traitlets import Dict

from .._version import __version__

if TYPE_CHECKING:
    from .context import ServerContext
    from .handlers.base import Authenticator
    from .leadership import Leadership

MOUNT = "clawdbot/"
_NOT_OURS = ("JUPYTER_PORT",)
"""Environment variables that configure the host server here; for the standalone server they mean the gateway."""


class ClawdbotApp(ExtensionApp):
    """``jupyter clawdbot``, and what Jupyter loads when the package is installed."""

    name = "clawdbot"
    version = __version__
    description = "The Clawdbot gateway: chat with Claude in a browser page and a terminal."
    extension_url = "/"
    load_other_extensions = False

    gateway_config = Dict(
        help="Settings of the gateway by dotted name, for example {'gateway.bind': 'lan'}. The "
        "command line and the environment win over them, they win over config.json."
    ).tag(config=True)

    @classmethod
    def make_serverapp(cls, **kwargs: Any) -> Any:
        from .serverapp import ClawdbotServer

        return ClawdbotServer.instance(**kwargs)

    # -- loading ----------------------------------------------------------------------------------------------------
    def initialize_handlers(self) -> None:
        """Add the routes: the whole site in the standalone server, ``clawdbot/`` in another."""
        assert self.serverapp is not None
        web_app = self.serverapp.web_app
        context: ServerContext | None = getattr(self.serverapp, "context", None)
        if context is not None:
            from .handlers.routes import standalone_routes

            authenticator: Authenticator = self.serverapp.authenticator  # type: ignore[attr-defined]  # of ours
            routes = standalone_routes(web_app.settings["base_url"], context, authenticator)
            web_app.add_handlers(".*$", routes)  # type: ignore[no-untyped-call]
            return
        from .handlers.lazy_router import LazyRouter

        matcher = PathMatches(f"{re.escape(self._mount_path.rstrip('/'))}(?:/.*)?")
        # Jupyter's own add_handlers looks for the decorators of handlers, which a router has none of.
        Application.add_handlers(web_app, ".*$", [Rule(matcher, LazyRouter(web_app, self._routes))])

    @property
    def _mount_path(self) -> str:
        assert self.serverapp is not None
        return str(url_path_join(self.serverapp.web_app.settings["base_url"], MOUNT))

    def _routes(self) -> Sequence[Rule]:
        return self._leadership.routes() if self._leadership is not None else ()

    # -- as a mount in a Jupyter server -----------------------------------------------------------------------------
    @cached_property
    def _leadership(self) -> Leadership | None:
        """The leadership of this server; ``None`` if the configuration is invalid."""
        from ..config import ConfigError, load
        from ..config.live import LiveConfig
        from .leadership import Host, Leadership

        server = self.serverapp
        assert server is not None
        logger = logging.getLogger("clawdbot_ext")
        logger.parent = server.log  # as Jupyter does with Tornado's loggers
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
        try:
            live = LiveConfig(lambda: load(environment, traits=self.gateway_config))
        except ConfigError as exc:
            self.log.error("Clawdbot: %s", exc)
            return None
        return Leadership(
            live,
            Host(
                server_url=server.connection_url,
                mount_url=url_path_join(server.connection_url, MOUNT),
                mount_path=self._mount_path,
                root_dir=server.root_dir,
                on_hub="JUPYTERHUB_SERVICE_PREFIX" in os.environ,
                app=server,
                settings=server.web_app.settings,
                log=server.log,
            ),
        )

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """The server answers: become the gateway of the state directory, or proxy to it."""
        if getattr(serverapp, "context", None) is None and self._leadership is not None:
            await self._leadership.campaign()

    async def stop_extension(self) -> None:
        """Let replies end, close the store and give the lock up when the server stops."""
        if self.__dict__.get("_leadership") is not None:
            await self.__dict__["_leadership"].step_down("the Jupyter server stops")
        assert self.serverapp is not None
        node = self.serverapp.web_app.settings.pop("clawdbot_hands", None)
        if node is not None:  # else its modules were never imported
            await node.close()

    def current_activity(self) -> Any:
        """Replies under way, so that an idle shutdown of the server waits for them."""
        leadership: Leadership | None = self.__dict__.get("_leadership")
        return None if leadership is None else [count for count in leadership.counts().values() if count] or None
