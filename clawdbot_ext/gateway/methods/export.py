"""``sessions.export``."""

from __future__ import annotations

from ...protocol.errors import InvalidRequest
from ...protocol.schema import SessionsExportParams, SessionsExportResult
from ..connections.connection import Connection
from ..registry import method
from ..services import Services
from ..sessions.export import export


@method("sessions.export")
async def sessions_export(services: Services, caller: Connection, params: SessionsExportParams) -> SessionsExportResult:
    """Raises ``NotFound``, and ``TooLarge`` (``EXPORT_TOO_LARGE``) above ``MAX_BYTES``."""
    if (params.key is None) == (params.session_id is None):
        raise InvalidRequest("give exactly one of key and sessionId")
    key = services.sessions.canonical(params.key) if params.key is not None else None
    made = await export(
        services, params.format, caller.locale, key=key, session_id=params.session_id, embed=params.embed
    )
    return SessionsExportResult(filename=made.name, media_type=made.media_type, content=made.text)
