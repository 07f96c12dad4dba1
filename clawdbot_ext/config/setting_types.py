"""The types of a row of the settings table, the checks of values, and the errors."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from ..i18n import catalogue

SettingType = Literal["string", "integer", "number", "boolean", "strings", "models", "tree"]
"""``strings`` is a list of strings; ``models`` a list of model ids or of objects with an ``id``; ``tree`` holds
settings of users: name, ``@group`` or ``*`` → dotted name → value."""


ChangedBy = Literal["client", "owner"]
"""``client``: an administrator may change it over the wire. ``owner``: this machine's file, environment and command
line alone, since it names a program, a key, an address or a path, or says who may do what."""


_t = catalogue("config")


PROVIDER_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


FINGERPRINT = re.compile(r"(?:sha-?256:)?(?:[0-9A-F]{2}:?){31}[0-9A-F]{2}", re.IGNORECASE)
"""SHA-256 of a certificate, as programs write it: with or without colons."""


PROXY_SECRET_CHARS = 32
"""So many that it stands guessing, at whatever speed."""


BASE_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?")


class ConfigError(ValueError):
    """A setting, or a whole file, that is not right.

    ``name`` is the dotted name (or the file's path), ``problem`` says what is wrong in English, ``suggestion`` is the
    nearest right name or value, or ``None`` where nothing is near. ``key`` and ``facts`` are the problem's text in the
    catalogue ``config``, where it has one.
    """

    def __init__(self, name: str, problem: str, suggestion: str | None = None, key: str | None = None, **facts: Any):
        text = f"{name}: {problem}" + (f" (did you mean {suggestion}?)" if suggestion else "")
        super().__init__(text)
        self.name, self.problem, self.suggestion = name, problem, suggestion
        self.key, self.facts = key, facts

    def problem_in(self, locale: str | None) -> str:
        """The problem in the language of ``locale``."""
        return _t(locale, self.key, **self.facts) if self.key else self.problem

    def renamed(self, name: str) -> ConfigError:
        """The same problem of something else, such as the environment variable that gave the value."""
        return ConfigError(name, self.problem, self.suggestion, self.key, **self.facts)


class OwnerOnly(ConfigError):
    """A client may not change this setting (``Setting.by``)."""

    def __init__(self, name: str):
        super().__init__(name, "is changed on the gateway's own machine alone, with clawdbot config set")


def wrong(name: str, key: str, suggestion: str | None = None, **facts: Any) -> ConfigError:
    """The ``ConfigError`` with the text ``key`` of the catalogue ``config``."""
    return ConfigError(name, _t("en", key, **facts), suggestion, key, **facts)


@dataclass(frozen=True)
class Setting:
    """One row. ``aliases`` maps other spellings of a value to ours; ``minimum`` and ``maximum`` are inclusive;
    ``check`` returns the catalogue key of what is wrong with a string, or ``None``; ``restart`` marks a setting that is
    read at the start alone."""

    name: str
    type: SettingType
    default: Any
    help: str
    by: ChangedBy = field(kw_only=True)
    unit: str | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    env: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[str], str | None] | None = None
    restart: bool = False


def split_url(value: str) -> SplitResult | None:
    """The parts of an address; ``None`` where it has none (a bracket that is not closed, a port that is no number)."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return None
    return parts


def is_hidden(setting: Setting | None, value: Any) -> bool:
    """Whether outputs of the configuration show only that there is a value: a secret, what may be one, and an address
    with a login in it (``https://user:secret@host/``)."""
    if setting is None or setting.secret:
        return value not in ("", None)
    parts = split_url(value) if isinstance(value, str) else None
    return parts is not None and "@" in parts.netloc


def _check_url(value: str) -> str | None:
    parts = split_url(value)
    if value and (parts is None or parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname):
        return "url"
    return None


def _check_base_url(value: str) -> str | None:
    parts = split_url(value)
    if value and (parts is None or parts.scheme not in ("http", "https") or not parts.hostname):
        return "baseUrl"
    return None


def _check_database_url(value: str) -> str | None:
    """The text names no value: it may hold a password."""
    return "databaseUrl" if value and not value.startswith(("postgresql://", "postgres://")) else None


def _check_media_url(value: str) -> str | None:
    parts = split_url(value)
    if not value:
        return None
    if parts is None or parts.query or parts.fragment or "@" in parts.netloc:
        return "mediaUrl"
    if parts.scheme == "file":
        return None if not parts.netloc and parts.path.startswith("/") and parts.path != "/" else "mediaUrl"
    return None if parts.scheme == "s3" and parts.netloc and ":" not in parts.netloc else "mediaUrl"


def _check_origin(value: str) -> str | None:
    parts = split_url(value)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        return "origin"
    if parts.path or parts.query or parts.fragment:
        return "origin"
    return None


def _check_host(value: str) -> str | None:
    if not value or "/" in value or "@" in value or value != value.strip():
        return "host"
    return None


def _check_fingerprint(value: str) -> str | None:
    return None if not value or FINGERPRINT.fullmatch(value.strip()) else "fingerprint"


def _check_network(value: str) -> str | None:
    try:
        ipaddress.ip_network(value.strip(), strict=False)
    except ValueError:
        return "network"
    return None


def _check_base_path(value: str) -> str | None:
    return None if not value or BASE_PATH.fullmatch(value) else "basePath"


def _check_login(value: str) -> str | None:
    return None if value and value == value.strip() else "login"


def _check_header(value: str) -> str | None:
    return None if re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?", value) else "header"


def _check_optional_header(value: str) -> str | None:
    return _check_header(value) if value else None


def _check_path(value: str) -> str | None:
    return None if not value or value.startswith(("/", "~/")) else "path"


def _check_principal(value: str) -> str | None:
    return None if value.strip("@") and value == value.strip() else "principal"


def _check_proxy_secret(value: str) -> str | None:
    """The text names no value."""
    return None if not value or (len(value) >= PROXY_SECRET_CHARS and value.isascii()) else "proxySecret"


def _check_web_address(value: str) -> str | None:
    """A path of this site, or an address elsewhere; ``//host`` would be one in disguise."""
    if not value or (value.startswith("/") and not value.startswith(("//", "/\\"))):
        return None
    return _check_base_url(value)


def _check_key(value: str) -> str | None:
    return None if re.fullmatch(r"[^\s:/\x00-\x1f]{1,64}", value) else "mainKey"
