"""Connection of the node with the gateway of this process, without a socket; ``remote_connection`` has the others.

Either way it is an ordinary node of the gateway's registry, by the identity of the gateway's owner: the Jupyter server
belongs to the account whose state directory the gateway runs in.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import logging
import socket
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..._version import __version__
from ...gateway.access.auth import owner
from ...gateway.access.identity import Identity
from ...protocol.frames import CloseCode
from ...protocol.schema import PROTOCOL_VERSION
from .host import JupyterHost
from .node import CLIENT_ID, HandsNode

if TYPE_CHECKING:
    from ...config.live import LiveConfig
    from ...gateway.connections.connection import Connection
    from ...gateway.gateway import Gateway

log = logging.getLogger(__name__)

SETTING = "clawdbot_hands"
"""Of the Tornado application: the server's node."""
PAGE_OPTION = "clawdbotServer"
"""Of the pages of JupyterLab and Notebook: the ``instanceId`` of this server's node, which their own nodes tell."""
RECONNECT_S = 0.2


def client_info(host: JupyterHost) -> dict[str, Any]:
    """``client`` of ``connect``. The instance stays the same when the server restarts at its place."""
    place = f"{socket.gethostname()}:{host.app.root_dir}:{getattr(host.app, 'port', 0)}"
    return {
        "id": CLIENT_ID,
        "version": __version__,
        "platform": sys.platform,
        "mode": "node",
        "displayName": f"Jupyter server ({host.app.root_dir})"[:200],
        "instanceId": f"server-{hashlib.sha256(place.encode()).hexdigest()[:16]}",
    }


def node_of(app: Any, config: LiveConfig) -> HandsNode:
    """The one node of a server: what it has running goes on, whichever gateway it is connected with."""
    settings: dict[str, Any] = app.web_app.settings
    if SETTING not in settings:
        settings[SETTING] = HandsNode(JupyterHost(app, config))
        pages: dict[str, Any] = settings.setdefault("page_config_data", {})
        pages[PAGE_OPTION] = client_info(settings[SETTING].host)["instanceId"]
    node: HandsNode = settings[SETTING]
    return node


class LocalConnection:
    """The node of the server that the gateway itself runs in; the ``Peer`` of its own connection."""

    client_key = "node:local"
    direct = True

    def __init__(self, gateway: Gateway, app: Any):
        self.identity: Identity | None = Identity(owner(), "token")
        self.node = node_of(app, gateway.services.config)
        self._gateway = gateway
        self._ids = itertools.count(1)
        self._connection: Connection | None = None
        self._waiting: dict[str, asyncio.Future[bool]] = {}
        self._connect()

    def _connect(self) -> None:
        self._connection = self._gateway.accept(self)

    # -- as the gateway sees it --------------------------------------------------------------------------------------
    def send(self, frame: bytes) -> None:
        asyncio.get_running_loop().call_soon(self._take, frame)

    def buffered(self) -> int:
        return 0

    def on_authenticated(self) -> None:
        """Frames are not limited here."""

    def close(self, code: int, reason: str) -> None:
        """Connect anew after anything but the gateway's end (another secret, say). What runs goes on."""
        waiting, self._waiting, self._connection = self._waiting, {}, None
        for waiter in waiting.values():
            if not waiter.done():
                waiter.set_result(False)
        if code not in (CloseCode.GOING_AWAY, CloseCode.RESTART):
            log.info("the server's own node is connected anew: %s", reason)
            asyncio.get_running_loop().call_later(RECONNECT_S, self._connect)

    # -- frames --------------------------------------------------------------------------------------------------------
    def _take(self, frame: bytes) -> None:
        message = json.loads(frame)
        if message.get("type") == "res":
            if not message.get("ok"):
                log.warning("the gateway refused its own server's node: %s", message.get("error"))
            if (waiter := self._waiting.pop(str(message.get("id")), None)) is not None and not waiter.done():
                waiter.set_result(bool(message.get("ok")))
        elif message.get("event") == "connect.challenge":
            self._request("connect", connect_params(self.node))
        elif message.get("type") == "event":
            self.node.handle(str(message["event"]), message.get("payload") or {}, self._send)

    def _request(self, method: str, params: Mapping[str, Any]) -> asyncio.Future[bool]:
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self._connection is None:
            waiter.set_result(False)
            return waiter
        id_ = str(next(self._ids))
        self._waiting[id_] = waiter
        frame = {"type": "req", "id": id_, "method": method, "params": params}
        self._connection.receive(json.dumps(frame, ensure_ascii=False))
        return waiter

    async def _send(self, method: str, params: Mapping[str, Any]) -> bool:
        return await self._request(method, params)


def connect_params(node: HandsNode) -> dict[str, Any]:
    """The parameters of ``connect``."""
    return {
        "minProtocol": PROTOCOL_VERSION,
        "maxProtocol": PROTOCOL_VERSION,
        "client": client_info(node.host),
        **node.connect_params(),
    }
