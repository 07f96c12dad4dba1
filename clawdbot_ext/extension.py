"""The Jupyter Server extension: the gateway's routes in our own server and in somebody's ``jupyter lab``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join
from traitlets import Dict

from ._version import __version__

if TYPE_CHECKING:
    from .edge import Edge

MOUNT = "clawdbot/"


class ClawdbotApp(ExtensionApp):
    """``jupyter clawdbot``, and what Jupyter loads when the package is installed."""

    name = "clawdbot"
    version = __version__
    description = "The Clawdbot gateway: chat with Claude in a browser page and a terminal."
    extension_url = "/"
    load_other_extensions = False

    gateway_config = Dict(help="Settings of the gateway by dotted name, for example {'gateway.bind': 'lan'}. The "
                          "command line and the environment win over them, they win over config.json.").tag(config=True)

    _edge: Edge | None = None

    @classmethod
    def make_serverapp(cls, **kwargs: Any) -> Any:
        from .server import ClawdbotServer

        return ClawdbotServer.instance(**kwargs)

    # -- loading ----------------------------------------------------------------------------------------------------
    def initialize_handlers(self) -> None:
        """Add the routes: all of the site in our own server, ``clawdbot/`` in another."""
        from . import handlers
        from .media_routes import media_routes

        assert self.serverapp is not None
        web_app = self.serverapp.web_app
        base = web_app.settings["base_url"]
        edge: Edge | None = getattr(self.serverapp, "edge", None)
        if edge is not None:
            routes = handlers.standalone_routes(base, edge) + media_routes(base, edge, mounted=False)
        else:
            self._edge = self._mounted_edge(self.serverapp.log)
            root = url_path_join(base, MOUNT)
            routes = handlers.mount_routes(root, self._edge) + media_routes(root, self._edge, mounted=True)
        web_app.add_handlers(".*$", routes)  # type: ignore[no-untyped-call]

    def _mounted_edge(self, log: logging.Logger) -> Edge:
        from .config import load
        from .edge import Edge
        from .gateway.live import LiveConfig

        logger = logging.getLogger("clawdbot_ext")
        logger.parent = log  # as Jupyter does with Tornado's loggers
        logger.setLevel(log.level)
        return Edge(LiveConfig(lambda: load(traits=self.gateway_config)), "jupyter")

    # -- living in somebody's server --------------------------------------------------------------------------------
    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Become the gateway of the state directory, unless another process is."""
        if self._edge is None:
            return
        from .lock import acquire

        lock = acquire(self._edge.live())
        if lock is None:
            owner = self._edge.owner()
            self.log.info("Clawdbot: the gateway of this state directory runs at %s", owner.url if owner else "?")
            return
        try:
            gateway = await self._edge.start(lock, serverapp.root_dir, serverapp.contents_manager)
        except BaseException:
            lock.release()
            raise
        gateway.on_stop_requested = self._stop_requested
        self._edge.publish(url_path_join(serverapp.connection_url, MOUNT), serverapp.connection_url)

    def _stop_requested(self, restart: bool) -> None:
        """The method ``gateway.stop``: it ends the gateway, not the Lab around it."""
        assert self._edge is not None and self.serverapp is not None
        self.serverapp.io_loop.add_callback(self._stop_gateway, restart)

    async def _stop_gateway(self, restart: bool) -> None:
        assert self._edge is not None
        await self._edge.stop("stopped by request", restarts=restart)
        if restart:
            await self._start_jupyter_server_extension(self.serverapp)

    async def stop_extension(self) -> None:
        """The server stops: let replies end, close the store, give the lock up."""
        if self._edge is not None:
            await self._edge.stop("the Jupyter server stops")

    def current_activity(self) -> Any:
        """Replies under way, so that an idle shutdown of the server waits for them."""
        gateway = self._edge.gateway if self._edge is not None else None
        return None if gateway is None else [count for count in gateway.runs.counts().values() if count] or None
