"""The subject of each method: by it a request goes to the gateway that holds it in memory.

Everything that a session's runs, queue or questions are touched by is carried out at the session's home. A method about
``NOTHING`` reads the store, or is about the very gateway that the client is connected to.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from ...protocol.schema import METHODS, SCOPE_READ, Params


class About(Enum):
    """The subject of a method."""

    NOTHING = auto()
    SESSION = auto()
    """A session: ``sessionKey`` or ``key``, else ``sessionId``, else (for ``agent``) the main one."""
    TEMPORARY = auto()
    """As ``SESSION`` if the session is temporary, which its home alone can read; else as ``NOTHING``."""
    SESSIONS = auto()
    """Several sessions (``keys``): each home carries out its part."""
    MAIN = auto()
    """The main session: notices wait at its home."""
    CHANGE = auto()
    """The session of a change (``id``)."""
    APPROVAL = auto()
    """An open question (``id``): the gateway that asked."""
    NODE = auto()
    """A node (``nodeId``): the gateway that it is connected to."""
    INVOCATION = auto()
    """A node's answer (``id``): the gateway that asked."""
    TOLD = auto()
    """An event of a node (``node.event``): about an invocation, for a session, or about nothing of these."""


_NAMES: Mapping[About, str] = {
    About.NOTHING: """
        agent.identity.get agent.wait agents.list auth.link auth.logoutEverywhere auth.rotate channels.status
        clients.list commands.complete commands.list config.apply config.get config.patch config.schema config.set
        cron.list cron.status device.pair.approve device.pair.list device.pair.reject device.rename device.token.revoke
        device.token.rotate exec.approval.history exec.approval.list exec.approval.request exec.approvals.get
        exec.approvals.set files.list gateway.checks gateway.info gateway.stop hands.grants.list hands.grants.revoke
        health last-heartbeat logs.tail media.limits media.saw models.list models.providers models.setKey models.test
        node.describe node.list node.pair.approve node.pair.list node.pair.reject node.pair.remove node.pair.request
        node.pair.verify node.rename prompts.delete prompts.list prompts.set protocol.describe sessions.exportMany
        sessions.import sessions.list sessions.page sessions.preview sessions.search sessions.subscribe
        sessions.unsubscribe set-heartbeats skills.bins skills.status status storage.backup system-presence tts.status
        update.run usage.breakdown usage.cost usage.status voicewake.get
    """,
    About.SESSION: """
        agent chat.abort chat.branch chat.continue chat.delete chat.edit chat.history chat.inject chat.queue.edit
        chat.regenerate chat.send chat.undelete sessions.clear sessions.compact sessions.delete sessions.fork
        sessions.new sessions.patch sessions.reset sessions.restore sessions.undelete sessions.undo
    """,
    About.TEMPORARY: "hands.changes.list sessions.export sessions.resolve sessions.transcripts sessions.usage",
    About.SESSIONS: "sessions.bulk",
    About.MAIN: "system-event wake",
    About.CHANGE: "hands.changes.keep hands.changes.undo",
    About.APPROVAL: "exec.approval.resolve",
    About.NODE: "node.invoke",
    About.INVOCATION: "node.invoke.result",
    About.TOLD: "node.event",
}
ABOUT: Mapping[str, About] = {name: about for about, names in _NAMES.items() for name in names.split()}
"""Method → its subject; every method is here."""


def may_repeat(method: str) -> bool:
    """Whether a request may be made again when it is not known whether it was carried out: it reads, or has an
    idempotency key."""
    return METHODS[method].scope == SCOPE_READ or is_send(method)


def is_send(method: str) -> bool:
    """Whether the method starts something under an idempotency key, which a gateway that stops leaves to the next."""
    return "idempotency_key" in METHODS[method].params.__struct_fields__


def named_key(params: Params) -> str | None:
    """The session key that parameters name."""
    key = getattr(params, "session_key", None) or getattr(params, "key", None)
    return key if isinstance(key, str) and key.strip() else None
