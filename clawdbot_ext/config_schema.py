"""The table of settings: one row each, from which everything else about a setting is derived.

Pure data and checks: no files, no environment (``config_file`` and ``config`` have those). Dotted names are Clawdbot's
where Clawdbot has the setting. A row whose name has ``<name>`` stands for one setting a provider.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from .i18n import catalogue

SettingType = Literal["string", "integer", "boolean", "strings", "models"]
"""``strings`` is a list of strings; ``models`` a list of model ids or of objects with an ``id``."""
ChangedBy = Literal["client", "owner"]
"""``client``: an administrator may change it over the wire. ``owner``: this machine's file, environment and command
line alone, since it names a program, a key, an address or a path, or says who may do what."""

_t = catalogue("config")

PROVIDER_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
FINGERPRINT = re.compile(r"(?:sha-?256:)?(?:[0-9A-F]{2}:?){31}[0-9A-F]{2}", re.IGNORECASE)
"""SHA-256 of a certificate, as programs write it: with or without colons."""
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
    ``check`` returns the catalogue key of what is wrong with a string, or ``None``."""

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


def _check_url(value: str) -> str | None:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname):
        return "url"
    return None


def _check_base_url(value: str) -> str | None:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname):
        return "baseUrl"
    return None


def _check_origin(value: str) -> str | None:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query or parts.fragment:
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


def _check_key(value: str) -> str | None:
    return None if re.fullmatch(r"[^\s:/\x00-\x1f]{1,64}", value) else "mainKey"


MB = 1_048_576
FEATURES = ("tools", "uploads", "files", "temporary", "export", "import", "settings")
"""What ``policy.disabled`` may name; what each of them covers is in ``gateway.policy``."""

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "gateway.port",
        "integer",
        18789,
        "The port the gateway listens on; 0 takes any free one.",
        env=("CLAWDBOT_GATEWAY_PORT", "JUPYTER_PORT"),
        minimum=0,
        maximum=65535,
        by="owner",
    ),
    Setting(
        "gateway.listenWithJupyter",
        "string",
        "on",
        "Whether a gateway inside JupyterLab, Notebook or Jupyter "
        "Server listens on gateway.port too; on a JupyterHub it never does.",
        choices=("on", "off"),
        aliases={"true": "on", "yes": "on", "false": "off", "no": "off"},
        by="owner",
    ),
    Setting(
        "gateway.bind",
        "string",
        "loopback",
        "The addresses it listens on: this machine, the local network, "
        "the Tailscale network, or gateway.customBindHost.",
        choices=("loopback", "lan", "tailnet", "custom"),
        aliases={"auto": "loopback", "localhost": "loopback"},
        by="owner",
    ),
    Setting(
        "gateway.customBindHost", "string", "", "The address to listen on when gateway.bind is custom.", by="owner"
    ),
    Setting(
        "gateway.auth.mode",
        "string",
        "token",
        "How clients prove who they are; unset, it is the kind of secret "
        "that is set. tailscale takes the login that Tailscale Serve vouches for, jupyter only that of the Jupyter "
        "server around the gateway.",
        choices=("token", "password", "tailscale", "jupyter"),
        by="owner",
    ),
    Setting(
        "gateway.auth.allowTailscale",
        "boolean",
        False,
        "Whether the login that Tailscale Serve vouches for opens "
        "the page and its sockets; unset, it does in the mode token while gateway.tailscale.mode is serve.",
        by="owner",
    ),
    Setting(
        "gateway.auth.owners",
        "strings",
        (),
        "Logins vouched for by Tailscale, or by a Jupyter server with "
        "several users, that may do everything, exactly as they are written there; all others only chat.",
        check=_check_login,
        by="owner",
    ),
    Setting(
        "gateway.auth.token",
        "string",
        "",
        "The token clients log in with; empty: a random one is made and kept in the state directory.",
        secret=True,
        env=("CLAWDBOT_GATEWAY_TOKEN",),
        by="owner",
    ),
    Setting(
        "gateway.auth.password",
        "string",
        "",
        "The password clients log in with.",
        secret=True,
        env=("CLAWDBOT_GATEWAY_PASSWORD",),
        by="owner",
    ),
    Setting("gateway.tls.enabled", "boolean", False, "Serve https and wss instead of http and ws.", by="owner"),
    Setting(
        "gateway.tls.certPath",
        "string",
        "",
        "The certificate in PEM, with those between it and its issuer; "
        "empty: one is made and kept in the state directory.",
        by="owner",
    ),
    Setting(
        "gateway.tls.keyPath",
        "string",
        "",
        "The certificate's key in PEM, without a password; empty: it is in gateway.tls.certPath, too.",
        by="owner",
    ),
    Setting(
        "gateway.tls.autoGenerate",
        "boolean",
        True,
        "Make a certificate where gateway.tls.certPath is empty.",
        by="owner",
    ),
    Setting(
        "gateway.trustedProxies",
        "strings",
        (),
        "Addresses or networks of reverse proxies whose X-Forwarded-For, -Proto and -Host are believed.",
        check=_check_network,
        by="owner",
    ),
    Setting(
        "gateway.controlUi.basePath",
        "string",
        "",
        "The path under which our own port has its pages, such as /clawdbot; empty: its root.",
        check=_check_base_path,
        by="owner",
    ),
    Setting(
        "gateway.tailscale.mode",
        "string",
        "off",
        "Offer the gateway through Tailscale: serve to the machines of the tailnet, funnel to the whole internet.",
        choices=("off", "serve", "funnel"),
        aliases={"disabled": "off"},
        by="owner",
    ),
    Setting(
        "gateway.tailscale.resetOnExit",
        "boolean",
        True,
        "Take the gateway out of Tailscale again when it stops.",
        by="owner",
    ),
    Setting(
        "gateway.remote.url",
        "string",
        "",
        "The gateway the command line talks to; empty: this machine's own.",
        check=_check_url,
        by="owner",
    ),
    Setting("gateway.remote.token", "string", "", "The token for gateway.remote.url.", secret=True, by="owner"),
    Setting("gateway.remote.password", "string", "", "The password for gateway.remote.url.", secret=True, by="owner"),
    Setting(
        "gateway.remote.tlsFingerprint",
        "string",
        "",
        "The SHA-256 fingerprint of the certificate that "
        "gateway.remote.url must show; empty: one that this machine trusts.",
        check=_check_fingerprint,
        by="owner",
    ),
    Setting(
        "gateway.allowedOrigins",
        "strings",
        (),
        "Further web origins whose pages may talk to the gateway.",
        check=_check_origin,
        by="owner",
    ),
    Setting(
        "gateway.allowedHosts",
        "strings",
        (),
        "Further host names under which the gateway may be addressed.",
        check=_check_host,
        by="owner",
    ),
    Setting(
        "gateway.handshakeTimeoutMs",
        "integer",
        10_000,
        "How long a client may take to log in.",
        "milliseconds",
        minimum=100,
        maximum=120_000,
        by="owner",
    ),
    Setting(
        "gateway.maxPayloadBytes",
        "integer",
        20 * MB,
        "The largest frame a client may send.",
        "bytes",
        minimum=65_536,
        maximum=32 * MB,
        by="owner",
    ),
    Setting(
        "gateway.tickIntervalMs",
        "integer",
        30_000,
        "How often clients hear that the gateway lives.",
        "milliseconds",
        minimum=1_000,
        maximum=600_000,
        by="client",
    ),
    Setting(
        "gateway.maxBufferedBytes",
        "integer",
        1_572_864,
        "How much may wait for a slow client before it is disconnected.",
        "bytes",
        minimum=65_536,
        maximum=256 * 1_048_576,
        by="owner",
    ),
    Setting(
        "gateway.loginAttemptsPerMinute",
        "integer",
        10,
        "How many wrong logins one address may make.",
        "attempts a minute",
        minimum=1,
        maximum=10_000,
        by="owner",
    ),
    Setting(
        "gateway.requestsPerMinute",
        "integer",
        6_000,
        "How many requests one connection may make; all connections of one user together may make four times as many.",
        "requests a minute",
        minimum=60,
        maximum=1_000_000,
        by="owner",
    ),
    Setting(
        "gateway.connectionsPerAddress",
        "integer",
        1_500,
        "How many sockets one address may have open; those that "
        "have not logged in give way. Behind a tunnel or a proxy everybody has the same.",
        "sockets",
        minimum=1,
        maximum=100_000,
        by="owner",
    ),
    Setting(
        "gateway.kernelsGetProviderKeys",
        "boolean",
        False,
        "Whether kernels of jupyter clawdbot inherit a "
        "provider's key from its environment; in your own Lab they do anyway. The gateway's they never get.",
        by="owner",
    ),
    Setting(
        "storage.fileSystem",
        "string",
        "auto",
        "What the state directory lies on: with network there is no "
        "write-ahead log and no flock, and only one machine at a time may use it; auto looks it up.",
        choices=("auto", "local", "network"),
        by="owner",
    ),
    Setting(
        "session.mainKey",
        "string",
        "main",
        "The name of the session that every client opens with.",
        check=_check_key,
        by="client",
    ),
    Setting(
        "session.maxQueued",
        "integer",
        20,
        "How many messages may wait in one session.",
        "messages",
        minimum=0,
        maximum=1_000,
        by="client",
    ),
    Setting(
        "agents.defaults.model",
        "string",
        "",
        "The model that answers, such as anthropic/claude-sonnet-4-5; empty: chosen automatically.",
        by="client",
    ),
    Setting(
        "agents.defaults.thinking",
        "string",
        "off",
        "How much the model thinks before it answers.",
        choices=("off", "minimal", "low", "medium", "high"),
        by="client",
    ),
    Setting(
        "agents.defaults.maxTokens",
        "integer",
        16_384,
        "The longest reply; the model's own limit still holds.",
        "tokens",
        minimum=1,
        maximum=1_000_000,
        by="client",
    ),
    Setting("agents.defaults.systemPrompt", "string", "", "Text added to the system prompt.", by="client"),
    Setting(
        "agents.defaults.autoTitle",
        "boolean",
        True,
        "Have the model name each session after its first reply (one short request).",
        by="client",
    ),
    Setting(
        "agents.defaults.timeoutSeconds",
        "integer",
        600,
        "The longest one reply may take.",
        "seconds",
        minimum=1,
        maximum=86_400,
        by="client",
    ),
    Setting(
        "models.providers.<name>.api",
        "string",
        "anthropic-messages",
        "The interface the provider speaks.",
        choices=("anthropic-messages",),
        by="owner",
    ),
    Setting(
        "models.providers.<name>.baseUrl",
        "string",
        "",
        "The provider's address; empty: Anthropic's own.",
        check=_check_base_url,
        by="owner",
    ),
    Setting("models.providers.<name>.apiKey", "string", "", "The key for the provider.", secret=True, by="owner"),
    Setting(
        "models.providers.<name>.models",
        "models",
        (),
        "The models to offer; empty: those the provider lists.",
        by="client",
    ),
    Setting(
        "models.allowed",
        "strings",
        (),
        "The models that may be used: ids, provider/id, lines (sonnet) or patterns with *; empty: all.",
        env=("CLAWDBOT_MODELS_ALLOWED",),
        by="owner",
    ),
    Setting(
        "policy.disabled",
        "strings",
        (),
        "What is switched off for everybody who uses this gateway, in pages, terminals and kernels alike.",
        choices=FEATURES,
        env=("CLAWDBOT_POLICY_DISABLED",),
        by="owner",
    ),
    Setting(
        "media.image.maxEdge",
        "integer",
        0,
        "The longest side of an image that is sent to the model; 0: as much as the model sees.",
        "pixels",
        minimum=0,
        maximum=8_000,
        by="client",
    ),
    Setting(
        "media.pdf.mode",
        "string",
        "auto",
        "How PDFs are sent: as they are where the model reads them, or as "
        "extracted text with pictures of the pages, or as text alone.",
        choices=("auto", "pages", "text"),
        by="client",
    ),
    Setting(
        "media.pdf.maxPages",
        "integer",
        100,
        "How many pages of a PDF are sent at once.",
        "pages",
        minimum=1,
        maximum=600,
        by="client",
    ),
    Setting(
        "media.audio.engine",
        "string",
        "auto",
        "What turns speech into text; auto takes the first that is set up, in this order.",
        choices=("auto", "command", "http", "whisper", "off"),
        by="owner",
    ),
    Setting(
        "media.audio.command",
        "strings",
        (),
        "A program that prints the transcript of {{MediaPath}} (the file) or "
        "{{WavPath}} (its sound as 16 kHz WAV), with its arguments; run without a shell.",
        by="owner",
    ),
    Setting(
        "media.audio.baseUrl",
        "string",
        "",
        "A server that speaks OpenAI's transcription API, with its /v1.",
        check=_check_base_url,
        by="owner",
    ),
    Setting("media.audio.apiKey", "string", "", "The key for media.audio.baseUrl.", secret=True, by="owner"),
    Setting(
        "media.audio.model",
        "string",
        "",
        "The speech model; empty: whisper-1 of a server, small of faster-whisper, which downloads it on first use.",
        by="owner",
    ),
    Setting(
        "media.audio.device",
        "string",
        "auto",
        "Where faster-whisper computes.",
        choices=("auto", "cpu", "cuda"),
        by="owner",
    ),
    Setting(
        "media.audio.language", "string", "", "The language that is spoken, such as ko; empty: detected.", by="client"
    ),
    Setting(
        "media.audio.maxMinutes",
        "integer",
        120,
        "The longest recording that is transcribed.",
        "minutes",
        minimum=1,
        maximum=1_440,
        by="client",
    ),
    Setting(
        "media.audio.timeoutSeconds",
        "integer",
        600,
        "How long a transcription may take.",
        "seconds",
        minimum=1,
        maximum=86_400,
        by="client",
    ),
    Setting(
        "media.video.maxFrames",
        "integer",
        16,
        "How many frames of a video are sent.",
        "frames",
        minimum=1,
        maximum=100,
        by="client",
    ),
    Setting(
        "media.maxBytes.image",
        "integer",
        20 * MB,
        "The largest image that is taken.",
        "bytes",
        minimum=0,
        maximum=2_000 * MB,
        by="client",
    ),
    Setting(
        "media.maxBytes.document",
        "integer",
        32 * MB,
        "The largest PDF, Office document or notebook that is taken.",
        "bytes",
        minimum=0,
        maximum=2_000 * MB,
        by="client",
    ),
    Setting(
        "media.maxBytes.audio",
        "integer",
        100 * MB,
        "The largest recording that is taken.",
        "bytes",
        minimum=0,
        maximum=2_000 * MB,
        by="client",
    ),
    Setting(
        "media.maxBytes.video",
        "integer",
        200 * MB,
        "The largest video that is taken.",
        "bytes",
        minimum=0,
        maximum=2_000 * MB,
        by="client",
    ),
    Setting(
        "media.maxBytes.text",
        "integer",
        5 * MB,
        "The largest text, code or data file that is taken.",
        "bytes",
        minimum=0,
        maximum=2_000 * MB,
        by="client",
    ),
    Setting(
        "media.maxCount",
        "integer",
        20,
        "How many files one message may have.",
        "files",
        minimum=0,
        maximum=100,
        by="client",
    ),
    Setting(
        "media.maxTotalBytes",
        "integer",
        300 * MB,
        "How much all files of one message may have together.",
        "bytes",
        minimum=0,
        maximum=20_000 * MB,
        by="client",
    ),
    Setting(
        "media.maxStoredBytes",
        "integer",
        10_240 * MB,
        "How much all files that are kept may have together; 0: as much as the disk has.",
        "bytes",
        minimum=0,
        by="owner",
    ),
    Setting(
        "media.orphanHours",
        "integer",
        24,
        "How long a file is kept that was uploaded and never sent.",
        "hours",
        minimum=1,
        maximum=8_760,
        by="client",
    ),
    Setting(
        "media.keepDays",
        "integer",
        0,
        "How long files are kept that were sent; their messages stay. 0: for ever.",
        "days",
        minimum=0,
        maximum=36_500,
        by="client",
    ),
    Setting(
        "logging.level",
        "string",
        "info",
        "How much is logged.",
        choices=("error", "warn", "info", "debug"),
        aliases={"warning": "warn", "trace": "debug", "silent": "error", "fatal": "error"},
        by="client",
    ),
    Setting(
        "ui.locale",
        "string",
        "",
        "The language of the page and of the gateway's texts; empty: each client's own.",
        choices=("", "en", "ko"),
        by="client",
    ),
)

PROVIDER_ENV: Mapping[str, tuple[str, ...]] = {
    "models.providers.anthropic.apiKey": ("ANTHROPIC_API_KEY",),
    "models.providers.anthropic.baseUrl": ("ANTHROPIC_BASE_URL",),
}
"""The environment of the one provider that everybody has."""

_BY_NAME = {setting.name: setting for setting in SETTINGS}
_PROVIDERS = "models.providers."


def find(name: str) -> Setting | None:
    """The row of a dotted name; ``models.providers.ollama.baseUrl`` finds the ``<name>`` row. ``None`` if unknown."""
    if name.startswith(_PROVIDERS):
        provider, _, leaf = name[len(_PROVIDERS) :].rpartition(".")
        return _BY_NAME.get(f"{_PROVIDERS}<name>.{leaf}") if PROVIDER_NAME.fullmatch(provider) else None
    return _BY_NAME.get(name)


def is_branch(name: str) -> bool:
    """Is ``name`` the start of some setting's name, such as ``gateway.auth`` or ``models.providers.ollama``?"""
    if name.startswith(_PROVIDERS):
        return PROVIDER_NAME.fullmatch(name[len(_PROVIDERS) :]) is not None
    return any(row.startswith(f"{name}.") for row in _BY_NAME)


def unknown(name: str) -> ConfigError:
    """The refusal of a name that is no setting, with the nearest one."""
    if '"' in name:
        return wrong(name, "dotted")
    provider = name.split(".")[2] if name.startswith(_PROVIDERS) else "<name>"
    if provider != "<name>" and not PROVIDER_NAME.fullmatch(provider):
        return wrong(name, "providerName")
    names = [row.replace("<name>", provider) for row in _BY_NAME]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    if not near:  # somebody who writes "port" or "auth.tokn" means the end of a name
        ends = {".".join(full.split(".")[start:]): full for full in reversed(names) for start in range(3)}
        near = [ends[end] for end in difflib.get_close_matches(name, ends, n=1, cutoff=0.7)]
    return wrong(name, "unknown", near[0] if near else None)


def check(name: str, value: Any) -> Any:
    """The value of the setting ``name`` as it is kept: aliases resolved, lists as tuples.

    Raises:
        ConfigError: no such setting, wrong type, out of range, or not one of the choices.
    """
    setting = find(name)
    if setting is None:
        raise unknown(name)
    if setting.type == "integer":
        return _integer(setting, name, value)
    if setting.type == "boolean":
        return _boolean(name, value)
    if setting.type == "string":
        return _string(setting, name, value)
    if not isinstance(value, list | tuple):
        raise wrong(name, "list")
    return tuple(_model(name, item) if setting.type == "models" else _string(setting, name, item) for item in value)


def parse_text(name: str, text: str) -> Any:
    """The value that ``text`` from the environment or a command-line flag stands for. Raises ``ConfigError``."""
    setting = find(name)
    if setting is not None and setting.type == "integer" and re.fullmatch(r"\s*[+-]?\d{1,18}\s*", text):
        return check(name, int(text))
    if setting is not None and setting.type in ("strings", "models"):
        return check(name, [item.strip() for item in text.split(",") if item.strip()])
    return check(name, text)


def _boolean(name: str, value: Any) -> bool:
    """True or false, or a word for one of them, as people write them in environments."""
    words = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}
    found = words.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise wrong(name, "boolean")
    return found


def _integer(setting: Setting, name: str, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        suggestion = value.strip() if isinstance(value, str) and value.strip().isdigit() else None
        raise wrong(name, "integer", suggestion)
    low, high = setting.minimum, setting.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        nearest = low if low is not None and value < low else high
        raise wrong(name, "range", str(nearest), value=value, low=low, high=high)
    return value


def _string(setting: Setting, name: str, given: Any) -> str:
    if not isinstance(given, str):
        raise wrong(name, "text")
    value: str = given
    if any(unicodedata.category(character) in ("Cc", "Cs") and character not in "\r\n\t" for character in value):
        raise wrong(name, "control")
    if setting.secret and value != value.strip():
        raise wrong(name, "blank")
    if setting.choices and value not in setting.choices:
        value = setting.aliases.get(value.lower(), value.lower())
        if value not in setting.choices:
            named = [choice for choice in setting.choices if choice]
            near = [choice for choice in named if value and choice.startswith(value)]
            near = near or difflib.get_close_matches(value, named, n=1, cutoff=0.5)
            raise wrong(name, "choice", near[0] if near else None, value=_shorten(value), choices=", ".join(named))
    if problem := setting.check(value) if setting.check else None:
        raise wrong(name, problem, value=_shorten(value))
    return value


def _model(name: str, value: Any) -> Any:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, Mapping) and isinstance(value.get("id"), str) and value["id"]:
        return dict(value)
    raise wrong(name, "model")


def _shorten(value: str) -> str:
    return repr(value if len(value) <= 40 else value[:39] + "…")


# -- what other programs read -----------------------------------------------------------------------------------------
def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 7) of the configuration file."""
    root: dict[str, Any] = {"$schema": "http://json-schema.org/draft-07/schema#", **_object()}
    for setting in SETTINGS:
        *branches, leaf = setting.name.split(".")
        node = root
        for branch in branches:
            if branch == "<name>":
                if node["additionalProperties"] is False:
                    node["additionalProperties"] = _object()
                node = node["additionalProperties"]
            else:
                node = node["properties"].setdefault(branch, _object())
        node["properties"][leaf] = _property(setting)
    return root


def _object() -> dict[str, Any]:
    return {"type": "object", "properties": {}, "additionalProperties": False}


def _property(setting: Setting) -> dict[str, Any]:
    text = setting.help + (f" In {setting.unit}." if setting.unit else "")
    schema: dict[str, Any] = {"description": text}
    if setting.type == "models":
        model = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
        return {**schema, "type": "array", "items": {"anyOf": [{"type": "string"}, model]}}
    if setting.type == "strings":
        choices = {"enum": list(setting.choices)} if setting.choices else {}
        return {**schema, "type": "array", "items": {"type": "string", **choices}}
    schema |= {"type": setting.type, "default": setting.default}
    if setting.choices:
        schema["enum"] = list(setting.choices)
    bounds = {"minimum": setting.minimum, "maximum": setting.maximum}
    return schema | {key: bound for key, bound in bounds.items() if bound is not None}


def ui_hints() -> dict[str, Any]:
    """What a form needs beside the schema, by dotted name (``*`` for a provider's), as the Control UI reads it."""
    hints: dict[str, Any] = {}
    for order, setting in enumerate(SETTINGS):
        hint: dict[str, Any] = {"help": setting.help, "group": setting.name.split(".")[0], "order": order}
        if setting.secret:
            hint["sensitive"] = True
        if setting.unit:
            hint["placeholder"] = setting.unit
        hints[setting.name.replace("<name>", "*")] = hint
    return hints
