"""The audit log of logins, refusals and changes to credentials: ``home/logs/audit.log``, mode 0600.

One JSON object a line, as ``jupyter_events`` writes them, each checked against the schema of its kind; an event
that does not match its schema is a bug and is not written. No field ever holds a secret or the text of a message. The
size is bounded: ``BACKUPS`` old files of ``MAX_BYTES`` are kept.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Config
from .log_files import PrivateFile

if TYPE_CHECKING:
    from jupyter_events import EventLogger

log = logging.getLogger(__name__)

MAX_BYTES, BACKUPS = 2_000_000, 4
ID = "https://events.jupyter-clawdbot.invalid/audit"
"""Prefix of the schema ids. They are names only and are never fetched."""
MAX_TEXT = 256
"""Maximum length of a field in characters, since some values come from clients."""

_WHO = {"user": "Who did it.", "via": "How they are known.", "client": "Their address, as the limits count it."}
KINDS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "login": ("A login on the page, with a secret or by a link.", _WHO),
    "login.failed": ("A wrong token or password.", {"client": _WHO["client"]}),
    "login.limited": ("Too many of them: nothing is compared for a while.", {"client": _WHO["client"]}),
    "connected": ("A client connected.", {**_WHO, "program": "What it calls itself.", "role": "Operator or node."}),
    "link": ("A one-time link was made.", _WHO),
    "logout": ("A browser was logged out.", {"user": _WHO["user"], "client": _WHO["client"]}),
    "logout.everywhere": ("All browsers were logged out.", _WHO),
    "rotated": ("The token was replaced by another.", _WHO),
    "password": ("A password that was kept as text is kept as a hash now.", {}),
    "config": ("Settings were changed.", {**_WHO, "names": "Which ones."}),
    "approval": (
        "A question whether a tool may run was answered.",
        {**_WHO, "id": "The question.", "decision": "The answer.", "tool": "What asked."},
    ),
    "hands": (
        "How much the assistant may do without a question was changed for a session.",
        {**_WHO, "session": "Its key.", "mode": "The mode; absent: the default."},
    ),
    "change": (
        "A change that the assistant made was undone.",
        {**_WHO, "id": "The change.", "action": "What was done with it."},
    ),
    "pairing": (
        "Something happened to a paired device.",
        {**_WHO, "device": "Its id.", "action": "What happened.", "role": "As what it connects."},
    ),
}
"""Kind → description and fields. Fields without a value are left out."""


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON schema of a kind in the form that ``jupyter_events`` registers."""
    about, fields = KINDS[kind]
    return {
        "$id": f"{ID}/{kind}",
        "version": "1",
        "title": kind,
        "description": about,
        "personal-data": True,
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"type": "string", "title": name, "description": text, "maxLength": MAX_TEXT}
            for name, text in fields.items()
        },
    }


def path_of(config: Config) -> Path:
    """Return the path of the audit log."""
    return config.home / "logs" / "audit.log"


class Audit:
    """Writer of audit events; one per gateway, opened at the first event."""

    def __init__(self, config: Config):
        self._path = path_of(config)
        self._events: EventLogger | None = None
        self._file: PrivateFile | None = None

    def note(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Write one event. Texts are cut to ``MAX_TEXT``; a full disk is logged and has no other effect."""
        if self._events is None:
            self._events = self._open()
        from jsonschema import ValidationError

        fields = {name: str(value)[:MAX_TEXT] for name, value in facts.items() if value not in (None, "")}
        try:
            self._events.emit(schema_id=f"{ID}/{kind}", data=fields)
        except ValidationError:  # whose text has the value in it
            log.error("an event of the kind %s does not fit its schema and was not written", kind)

    def _open(self) -> EventLogger:
        from jupyter_events import EventLogger

        self._file = PrivateFile(self._path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", delay=True)
        events = EventLogger(handlers=[self._file])
        for kind in KINDS:
            events.register_event_schema(schema(kind))
        return events

    def close(self) -> None:
        """Close the file."""
        if self._events is not None and self._file is not None:
            self._events.remove_handler(self._file)
            self._file.close()
        self._events = self._file = None
