"""Configuration, models, commands, and the gateway about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

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
    """`name`, `aliases`, `description`, and `args` with `name`, `required` and either `choices` or `dynamic` (ask
    `commands.complete`). `argument` and `choices` are those of the first argument."""
    stop_words: Sequence[str] | UnsetType = UNSET
    """Ours: a message that is only one of these is `/stop`."""


class CommandsCompleteParams(Params):
    command: Annotated[str, Meta(min_length=1, max_length=64)]
    """Without the slash."""
    text: Annotated[str, Meta(max_length=1000)] = ""
    """The text behind the command so far."""
    session_key: Key | None = None


class CommandsCompleteResult(Result):
    options: Sequence[Mapping[str, Any]]
    """`value` and, where there is more to say, `description`; the best first."""


class ConfigChangedEvent(Result):
    """No values: they are read with `config.get`."""

    names: Sequence[str]
    """The settings with another value in force than before; none: only the file is another, or it became invalid."""
    restart: Sequence[str]
    """The settings whose present value takes effect at the next start alone."""


class ModelsProvider(Result):
    """A provider without its key."""

    name: str
    api: str
    base_url: str
    """Empty: Anthropic's own."""
    key: bool
    """Whether there is one."""
    key_source: str
    """As `sources` of `config.get`: `flag`, `env`, `traits`, `file`, `clawdbot.json` or `default`."""
    usable: bool
    is_default: bool
    models: int
    """The number of models that it offers."""
    key_variable: str | UnsetType = UNSET
    """The environment variable that gave the key."""
    error: Mapping[str, Any] | UnsetType = UNSET
    """Why its models could not be listed the last time: `kind`, `message`, `hint`, in the client's language."""


class ModelsProvidersResult(Result):
    providers: Sequence[ModelsProvider]
    default_model: str
    """`provider/id` of the model that answers unless a session chose another."""
    configured: str
    """`agents.defaults.model`; empty: chosen automatically."""
    configured_source: str
    allowed: Sequence[str]
    """`models.allowed`; empty: all."""
    allowed_source: str


class ModelsTestParams(Params):
    provider: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    """`anthropic` if absent."""
    api_key: Annotated[str, Meta(max_length=4096)] | None = None
    """Tried instead of the one that is set; it is not kept."""
    base_url: Annotated[str, Meta(max_length=2048)] | None = None
    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    """An id of the provider's: it is sent a short message, which costs what a few tokens cost. Absent: the provider is
    asked for its models."""


class ModelsSetKeyParams(Params):
    api_key: Annotated[str, Meta(max_length=4096)] | None = None
    """Absent or empty: forget the one that is kept."""


class ModelsTestResult(Result):
    ok: bool
    models: int | UnsetType = UNSET
    """The number of models the key may use, where the server says."""
    error: Mapping[str, Any] | UnsetType = UNSET
    """`kind`, `message`, `hint`, in the client's language."""
    ms: int | UnsetType = UNSET
    """Until the end of the answer."""
    reply: str | UnsetType = UNSET
    """The text that the model answered with."""
    usage: Mapping[str, int] | UnsetType = UNSET
    """`input` and `output` tokens of it."""


class LinkCreateResult(Result):
    code: str
    path: str
    """Relative to the gateway's base URL, with the code in it."""
    expires_at: int


class RotateResult(Result):
    token: str | UnsetType = UNSET
    """The one that is good from now on; absent for a caller who has not shown the old one: it is on that machine."""


class LogOutResult(Result):
    ok: bool
    closed: int
    """The number of sockets closed by it."""


class GatewayStopParams(Params):
    restart: bool | None = None
    reason: Annotated[str, Meta(max_length=200)] | None = None


class BackupResult(Result):
    path: str
    """Of the copy, on the gateway's machine."""
    bytes: int
    at: int


ROWS: Rows = (
    Method("models.list", NoParams, ModelsListResult, SCOPE_READ, "The models that can be chosen."),
    Method(
        "models.providers",
        NoParams,
        ModelsProvidersResult,
        SCOPE_ADMIN,
        "The providers with the state of their keys, the default model, and what is allowed.",
        ours=True,
    ),
    Method(
        "models.test",
        ModelsTestParams,
        ModelsTestResult,
        SCOPE_ADMIN,
        "Try a key for a provider without storing it.",
        ours=True,
    ),
    Method(
        "models.setKey",
        ModelsSetKeyParams,
        OkResult,
        SCOPE_ADMIN,
        "Keep the key for Anthropic's models, from the owner's own login; it is never read back.",
        ours=True,
    ),
    Method(
        "commands.list",
        CommandsListParams,
        CommandsListResult,
        SCOPE_READ,
        "The slash commands, with descriptions in the client's language.",
        ours=True,
    ),
    Method(
        "commands.complete",
        CommandsCompleteParams,
        CommandsCompleteResult,
        SCOPE_READ,
        "What may follow a command, as far as it is typed.",
        ours=True,
    ),
    Method("health", NoParams, AnyResult, SCOPE_READ, "Is the gateway well?"),
    Method("status", NoParams, AnyResult, SCOPE_READ, "Sessions, model and provider at a glance."),
    Method("config.get", ConfigGetParams, AnyResult, SCOPE_ADMIN, "The configuration, secrets redacted."),
    Method("config.set", ConfigSetParams, AnyResult, SCOPE_ADMIN, "Replace the configuration file."),
    Method("config.patch", ConfigPatchParams, AnyResult, SCOPE_ADMIN, "Merge into the configuration file."),
    Method(
        "config.apply",
        ConfigApplyParams,
        AnyResult,
        SCOPE_ADMIN,
        "Replace the configuration file; what changed takes effect at once.",
    ),
    Method("config.schema", NoParams, AnyResult, SCOPE_READ, "JSON Schema and UI hints of the configuration."),
    Method(
        "auth.link",
        NoParams,
        LinkCreateResult,
        SCOPE_ADMIN,
        "A login code for one use within 60 s (`clawdbot web`).",
        ours=True,
    ),
    Method(
        "auth.rotate",
        NoParams,
        RotateResult,
        SCOPE_ADMIN,
        "Replace the token: all sockets close, all logins end (`clawdbot token rotate`).",
        ours=True,
    ),
    Method(
        "auth.logoutEverywhere",
        NoParams,
        LogOutResult,
        SCOPE_ADMIN,
        "End every login of a browser (`clawdbot logout`).",
        ours=True,
    ),
    Method(
        "storage.backup",
        NoParams,
        BackupResult,
        SCOPE_ADMIN,
        "Write a checked copy of all conversations on the gateway's machine (`clawdbot backup`).",
        ours=True,
    ),
    Method("gateway.stop", GatewayStopParams, OkResult, SCOPE_ADMIN, "Stop or restart this gateway.", ours=True),
    Event(
        "config.changed", ConfigChangedEvent, "The configuration was changed.", ours=True, scope=SCOPE_ADMIN, own=True
    ),
    Event("health", AnyResult, "The same as the method `health`, after `hello-ok`.", own=True),
)
