"""``sessions.import``."""

from __future__ import annotations

import asyncio
import hashlib

from ...protocol.errors import InvalidRequest
from ...protocol.schema import SessionsImportParams, SessionsImportResult
from ..connections.connection import Connection
from ..registry import method
from ..services import Services
from ..sessions.import_formats import read
from ..sessions.importer import MAX_SKIPPED, _Importing, _name


@method("sessions.import")
async def sessions_import(services: Services, caller: Connection, params: SessionsImportParams) -> SessionsImportResult:
    """Raises ``InvalidRequest`` (``UNKNOWN_FORMAT``, ``NOTHING_TO_IMPORT``)."""
    found = await asyncio.to_thread(read, params)
    if not found.messages:
        raise InvalidRequest(
            "there is no message in this file", reason="NOTHING_TO_IMPORT", skipped=found.skipped[:MAX_SKIPPED]
        )
    key = f"agent:main:imported:{hashlib.sha256(found.session_id.encode()).hexdigest()[:16]}"
    present = await services.store.get_session(key)
    importing = _Importing(services, caller, key, found)
    if present is not None:
        await importing.look_up()
    session = await importing.store() or present
    if session is not None and present is None:
        session = await _name(services, session, params.label, found.title)
    if session is not None and importing.added:
        services.sessions.announce(session, "updated" if present else "created")
    return SessionsImportResult(ok=True, keys=[key], messages=importing.added, skipped=found.skipped[:MAX_SKIPPED])
