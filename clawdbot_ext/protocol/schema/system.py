"""Configuration, models, commands, and the gateway about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta

from .base import (
    SCOPE_ADMIN,
    SCOPE_READ,
    AnyResult,
    Event,
    Key,
    Method,
    Ms,
    NoParams,
    OkResult,
    Params,
    Result,
    Rows,
)


class ConfigGetParams(Params):
    pass


class ConfigSetParams(Params):
    raw: Annotated[str, Meta(min_length=1, max_length=1_000_000)]
    base_hash: Annotated[str, Meta(max_length=128)] | None = None


class ConfigPatchParams(Params):
    raw: Annotated[str, Meta(min_length=1, max_length=1_000_000)]
    """JSON5 of an object that is merged into the file; `null` removes a key."""
    base_hash: Annotated[str, Meta(max_length=128)] | None = None
    session_key: str | None = None
    note: str | None = None
    restart_delay_ms: Ms | None = None


class ConfigApplyParams(ConfigPatchParams):
    """As `config.set`; settings take effect at once, so nothing restarts."""


class ModelsListResult(Result):
    models: Sequence[Mapping[str, Any]]


class CommandsListParams(Params):
    session_key: Key | None = None


class CommandsListResult(Result):
    commands: Sequence[Mapping[str, Any]]


class LinkCreateResult(Result):
    code: str
    path: str
    """Relative to the gateway's base URL, with the code in it."""
    expires_at: int


class GatewayStopParams(Params):
    restart: bool | None = None
    reason: Annotated[str, Meta(max_length=200)] | None = None


ROWS: Rows = (
    Method("models.list", NoParams, ModelsListResult, SCOPE_READ, "The models that can be chosen."),
    Method("commands.list", CommandsListParams, CommandsListResult, SCOPE_READ,
           "The slash commands, with descriptions in the client's language.", ours=True),
    Method("health", NoParams, AnyResult, SCOPE_READ, "Is the gateway well?"),
    Method("status", NoParams, AnyResult, SCOPE_READ, "Sessions, model and provider at a glance."),
    Method("config.get", ConfigGetParams, AnyResult, SCOPE_ADMIN, "The configuration, secrets redacted."),
    Method("config.set", ConfigSetParams, AnyResult, SCOPE_ADMIN, "Replace the configuration file."),
    Method("config.patch", ConfigPatchParams, AnyResult, SCOPE_ADMIN, "Merge into the configuration file."),
    Method("config.apply", ConfigApplyParams, AnyResult, SCOPE_ADMIN,
           "Replace the configuration file; what changed takes effect at once."),
    Method("config.schema", NoParams, AnyResult, SCOPE_READ, "JSON Schema and UI hints of the configuration."),
    Method("auth.link", NoParams, LinkCreateResult, SCOPE_ADMIN,
           "A login code for one use within 60 s (`clawdbot web`).", ours=True),
    Method("gateway.stop", GatewayStopParams, OkResult, SCOPE_ADMIN, "Stop or restart this gateway.", ours=True),
    Event("health", AnyResult, "The same as the method `health`, after `hello-ok`."),
)
