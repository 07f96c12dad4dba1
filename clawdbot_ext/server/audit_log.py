"""The audit log of logins, refusals and changes to credentials: ``home/logs/audit.log``, mode 0600.

One JSON object a line, as ``jupyter_events`` writes them, of the fields of its kind; an event with any other field is
a bug and is not written. Written here, since each connection is an event and the library's checks and copies take eight
times as long. No field ever holds a secret or the text of a message. The size is bounded: ``BACKUPS`` old files of
``MAX_BYTES`` are kept.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..config import Config
from .log_files import PrivateFile

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


def path_of(config: Config) -> Path:
    """Return the path of the audit log."""
    return config.home / "logs" / "audit.log"


class Audit:
    """Writer of audit events; one per gateway, opened at the first event."""

    def __init__(self, config: Config):
        self._path = path_of(config)
        self._file: PrivateFile | None = None

    def note(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Write one event. Texts are cut to ``MAX_TEXT``; a full disk is logged and has no other effect."""
        fields = {name: str(value)[:MAX_TEXT] for name, value in facts.items() if value not in (None, "")}
        if not fields.keys() <= KINDS[kind][1].keys():  # without the value, which may be a secret
            log.error("an event of the kind %s does not fit its fields and was not written", kind)
            return
        if self._file is None:
            self._file = PrivateFile(self._path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", delay=True)
        event = {
            "__timestamp__": datetime.now(timezone.utc).isoformat(),
            "__schema__": f"{ID}/{kind}",
            "__schema_version__": "1",
            "__metadata_version__": 1,
            **fields,
        }
        self._file.handle(logging.makeLogRecord({"msg": json.dumps(event)}))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        self._file = None
