"""``storage.backup``: a copy of the database, made while it is in use."""

from __future__ import annotations

from ...protocol.schema import BackupResult, NoParams
from ..connections.connection import Connection
from ..registry import method
from ..services import Services


@method("storage.backup")
async def storage_backup(services: Services, caller: Connection, params: NoParams) -> BackupResult:
    """Write and check a copy on the gateway's machine; ``path`` says where."""
    made = await services.backups.make()
    return BackupResult(path=made["path"], bytes=made["bytes"], at=made["at"])
