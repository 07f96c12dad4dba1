"""``config.*``: the configuration file over the wire, guarded by its hash, secrets redacted.

What only the owner may change (``config_schema.Setting.by``) these methods do not, whoever calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import config as settings
from .. import private
from ..config import Config
from ..config_schema import OwnerOnly
from ..protocol.errors import InvalidRequest, Unavailable
from ..protocol.schema import ConfigApplyParams, ConfigGetParams, ConfigPatchParams, ConfigSetParams, NoParams
from .methods import method
from .rotation import hash_stored_password

if TYPE_CHECKING:
    from .client import Client
    from .core import Gateway


@method("config.get")
async def config_get(gw: Gateway, client: Client, params: ConfigGetParams) -> dict[str, Any]:
    """What is in the file now: a change by another process is taken up before this answers."""
    gw.poll_config()
    return settings.snapshot(gw.live())


@method("config.schema")
async def config_schema(gw: Gateway, client: Client, params: NoParams) -> dict[str, Any]:
    return {"schema": settings.json_schema(), "uiHints": settings.ui_hints()}


@method("config.set")
async def config_set(gw: Gateway, client: Client, params: ConfigSetParams) -> dict[str, Any]:
    """Replace the file; what was redacted in ``config.get`` and comes back so keeps its value."""
    await change(
        gw,
        client,
        lambda path: settings.write_raw(path, params.raw, base_hash=params.base_hash, in_force=gw.live().__getitem__),
    )
    return {"ok": True, **settings.snapshot(gw.live())}


@method("config.apply")
async def config_apply(gw: Gateway, client: Client, params: ConfigApplyParams) -> dict[str, Any]:
    """As ``config.set``. What changed takes effect at once, so nothing restarts and the answer says so."""
    given = ConfigSetParams(raw=params.raw, base_hash=params.base_hash)
    return {**await config_set(gw, client, given), "restart": None, "sentinel": None}


@method("config.patch")
async def config_patch(gw: Gateway, client: Client, params: ConfigPatchParams) -> dict[str, Any]:
    """Merge an object into the file."""
    await change(
        gw,
        client,
        lambda path: settings.merge(
            path, settings.parse(params.raw), base_hash=params.base_hash, in_force=gw.live().__getitem__
        ),
    )
    return {"ok": True, **settings.snapshot(gw.live())}


async def change(gw: Gateway, client: Client, write: Callable[[Path], object]) -> None:
    """Change the file and take it up; what cannot be taken up (a secret that is too weak) is put back."""
    present = gw.live()
    path = present.path
    before = path.read_bytes() if path.exists() else None
    gw.changing_config += 1
    try:
        await asyncio.to_thread(write, path)  # it may have to wait for another process that changes the file
        try:
            await asyncio.to_thread(hash_stored_password, gw.live.peek())
            gw.live.reload()  # of another secret the edge disconnects everybody, as soon as the answer is out
            note_changes(gw, present, client.who())
        except settings.ConfigError:
            if before is None:
                path.unlink()
            else:
                private.write(path, before)
            raise
    except settings.ConfigError as exc:
        raise _refused(exc) from exc
    except OSError as exc:
        raise Unavailable(f"the configuration cannot be written: {exc.strerror or exc}", reason="NOT_WRITTEN") from exc
    finally:
        gw.changing_config -= 1


def note_changes(gw: Gateway, before: Config, who: Mapping[str, str]) -> None:
    """Write into the audit log which settings have another value now."""
    after = gw.live()
    names = sorted(name for name in {*before.names(), *after.names()} if before[name] != after[name])
    if names:
        gw.auth.note("config", {**who, "names": ", ".join(names)})


def _refused(exc: settings.ConfigError) -> InvalidRequest:
    if isinstance(exc, OwnerOnly):
        return InvalidRequest(f"{exc.name} {exc.problem}", reason="OWNER_ONLY", setting=exc.name)
    facts: dict[str, Any] = {"setting": exc.name, "suggestion": exc.suggestion}
    return InvalidRequest(str(exc), reason="INVALID_CONFIG", **{k: v for k, v in facts.items() if v})
