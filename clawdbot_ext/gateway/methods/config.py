"""``config.*``: the configuration file over the wire, guarded by its hash, secrets redacted.

Settings that only the owner may change in the file (``Setting.by``) are refused here to every client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ... import config as settings
from ...config import Config
from ...config.file import leaves, read, take_back
from ...config.setting_types import OwnerOnly
from ...config.spaces import is_of_user
from ...protocol.errors import InvalidRequest, Unavailable
from ...protocol.schema import (
    ConfigApplyParams,
    ConfigChangedEvent,
    ConfigGetParams,
    ConfigPatchParams,
    ConfigSetParams,
    NoParams,
)
from ..access.rotation import hash_stored_password
from ..connections.connection import Connection
from ..registry import method
from ..services import Services


@method("config.get")
async def config_get(services: Services, caller: Connection, params: ConfigGetParams) -> dict[str, Any]:
    """The present contents of the file; a change by another process is loaded first. ``restart`` names the settings
    whose value waits for the next start."""
    await asyncio.to_thread(settings.snapshot, services.config())  # JSON5 is parsed there, and remembered
    poll_file(services)
    return _snapshot(services)


@method("config.schema")
async def config_schema(services: Services, caller: Connection, params: NoParams) -> dict[str, Any]:
    """Described in the caller's language."""
    return {"schema": settings.json_schema(caller.locale), "uiHints": settings.ui_hints(caller.locale)}


@method("config.set")
async def config_set(services: Services, caller: Connection, params: ConfigSetParams) -> dict[str, Any]:
    """Replace the file; what was redacted in ``config.get`` and comes back so keeps its value."""
    await change(
        services,
        caller,
        lambda path, guard: settings.write_raw(
            path, params.raw, base_hash=params.base_hash, in_force=services.config().value, guard=guard
        ),
    )
    return {"ok": True, **_snapshot(services)}


@method("config.apply")
async def config_apply(services: Services, caller: Connection, params: ConfigApplyParams) -> dict[str, Any]:
    """As ``config.set``. What changed takes effect at once, so nothing restarts and the answer says so."""
    given = ConfigSetParams(raw=params.raw, base_hash=params.base_hash)
    return {**await config_set(services, caller, given), "restart": None, "sentinel": None}


@method("config.patch")
async def config_patch(services: Services, caller: Connection, params: ConfigPatchParams) -> dict[str, Any]:
    """Merge an object into the file."""
    await change(
        services,
        caller,
        lambda path, guard: settings.merge(
            path, settings.parse(params.raw), base_hash=params.base_hash, in_force=services.config().value, guard=guard
        ),
    )
    return {"ok": True, **_snapshot(services)}


def _snapshot(services: Services) -> dict[str, Any]:
    return {**settings.snapshot(services.config()), "restart": services.config.waiting_for_restart()}


Write = Callable[[Path, Callable[[Any, Any], None]], str]
"""Changes the file, with a guard that is called before that; returns the new hash."""


async def change(services: Services, caller: Connection, write: Write) -> None:
    """Change the file and take it up; what cannot be taken up (a secret that is too weak) is put back."""
    present = services.config()
    path = present.path
    before: bytes | None = None

    def remember(old: Any, new: Any) -> None:
        nonlocal before
        before = path.read_bytes() if path.exists() else None

    services.config.changing += 1
    try:
        # It may have to wait for another process that changes the file.
        wrote = await asyncio.to_thread(write, path, remember)
        try:
            if services.host.of_user:
                _require_of_user(services, path)
            await asyncio.to_thread(hash_stored_password, services.config.peek())
            services.config.reload()  # of another secret the edge disconnects everybody, as soon as the answer is out
            note_changes(services, present, caller.audit_fields())
        except settings.ConfigError:
            await asyncio.to_thread(take_back, path, wrote, before)
            raise
    except settings.ConfigError as exc:
        raise refused(exc, caller.locale) from exc
    except OSError as exc:
        raise Unavailable(f"the configuration cannot be written: {exc.strerror or exc}", reason="NOT_WRITTEN") from exc
    finally:
        services.config.changing -= 1


def _require_of_user(services: Services, path: Path) -> None:
    """Raise ``OwnerOnly`` for a setting in the file of a user that has no effect there."""
    for name, _ in leaves(read(path).tree or {}):
        if not is_of_user(name, services.config().providers()):
            raise OwnerOnly(name)


def poll_file(services: Services) -> None:
    """Take up what another process has changed; a password that it has written as text becomes a hash. That a file has
    become invalid is told, too."""
    config = services.config
    if config.changing:  # by a client, which gets its response before clients are disconnected for it
        return
    before = config()
    if not config.poll():
        return
    note_changes(services, before, {"via": "file"})
    if config() is not before and hash_stored_password(config()):
        config.reload()


def note_changes(services: Services, before: Config, who: Mapping[str, str]) -> None:
    """Tell the administrators, and the audit log, which settings have another value now."""
    after = services.config()
    names = sorted(name for name in {*before.names(), *after.names()} if before.value(name) != after.value(name))
    if names:
        services.others.tell("config", "")
        services.access.auth.note("config", {**who, "names": ", ".join(names)})
    services.events.emit(
        "config.changed", ConfigChangedEvent(names=names, restart=services.config.waiting_for_restart())
    )


def refused(exc: settings.ConfigError, locale: str) -> InvalidRequest:
    """The wire error for a wrong setting; ``problem`` is in the language of ``locale``."""
    if isinstance(exc, OwnerOnly):
        return InvalidRequest(f"{exc.name} {exc.problem}", reason="OWNER_ONLY", setting=exc.name)
    facts: dict[str, Any] = {
        "setting": exc.name,
        "suggestion": exc.suggestion,
        "problem": exc.problem_in(locale),
    }
    return InvalidRequest(str(exc), reason="INVALID_CONFIG", **{k: v for k, v in facts.items() if v})
