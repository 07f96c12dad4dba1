"""The configuration in force: flags, environment, traits, our file, Clawdbot's file and defaults, in that order.

``load`` makes a frozen ``Config``; nothing here watches, caches or is global. The settings are the table in
``settings``; ``file`` reads and changes the file. Imports nothing heavy: every command-line call loads a configuration.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .clawdbot_json import FILE_NAME, read_defaults
from .file import dump, is_strict, issues, read, redact, unflatten, values
from .setting_types import ConfigError
from .settings import PROVIDER_ENV, SETTINGS
from .typed_settings import TypedSettings
from .validation import check, find, parse_text, unknown

Source = Literal["flag", "env", "traits", "file", "clawdbot.json", "operator", "default"]
"""``operator`` is the configuration of the gateway in which a user has a space (``spaces``)."""
_RANK: tuple[Source, ...] = ("flag", "env", "traits", "file", "clawdbot.json", "operator", "default")


@dataclass(frozen=True)
class ProviderConfig:
    """One entry of ``models.providers``. ``base_url`` and ``api_key`` are empty where nothing is set."""

    name: str
    api: str = "anthropic-messages"
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    models: tuple[Any, ...] = ()
    """Model ids, or objects with an ``id`` and what Clawdbot keeps of a model (``contextWindow``, ``maxTokens`` …)."""


@dataclass(frozen=True)
class Config(TypedSettings):
    """Every effective value, and where each came from. Two loads of the same inputs are equal."""

    state: Path
    """The state directory, shared with Clawdbot."""
    home: Path
    """Ours in it: ``config.json``, ``gateway.sqlite3``, ``gateway.lock``, ``logs/``, ``secrets/``."""
    path: Path
    """Our configuration file; it need not exist."""
    _values: Mapping[str, Any] = field(repr=False)
    _sources: Mapping[str, Source] = field(repr=False)
    notes: tuple[ConfigError, ...] = ()
    """Problems in Clawdbot's file, whose settings are skipped."""

    def value(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        setting = find(name)
        if setting is None:
            raise KeyError(str(unknown(name)))
        return setting.default

    def source(self, name: str) -> Source:
        """Return the source of the value of ``name``. Raises ``KeyError`` on an unknown name."""
        if name in self._sources:
            return self._sources[name]
        if find(name) is None:
            raise KeyError(str(unknown(name)))
        return "default"

    def names(self) -> tuple[str, ...]:
        """All settings with their dotted names, those of the configured providers included, in the table's order."""
        return tuple(name for setting in SETTINGS for name in self._expand(setting.name))

    def _expand(self, row: str) -> list[str]:
        return [row.replace("<name>", provider) for provider in self.providers()] if "<name>" in row else [row]

    def providers(self) -> Mapping[str, ProviderConfig]:
        """The configured providers by name, in the order of their sources."""
        found = dict.fromkeys(name.split(".")[2] for name in self._values if name.startswith("models.providers."))
        return {name: self._provider(name) for name in found}

    def _provider(self, name: str) -> ProviderConfig:
        api, base_url, api_key, models = (
            self.value(f"models.providers.{name}.{leaf}") for leaf in ("api", "baseUrl", "apiKey", "models")
        )
        return ProviderConfig(name, api, base_url, api_key, models)


def state_dir(env: Mapping[str, str] | None = None) -> Path:
    """``$CLAWDBOT_STATE_DIR``, else ``~/.clawdbot``. It need not exist."""
    env = os.environ if env is None else env
    given = env.get("CLAWDBOT_STATE_DIR", "").strip()
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    return Path(os.path.abspath(Path(given).expanduser())) if given else home / ".clawdbot"


def config_path(env: Mapping[str, str] | None = None) -> Path:
    """Return the path of the configuration file, whether or not it exists and is valid."""
    env = os.environ if env is None else env
    return _paths(env, state_dir(env))[0]


def variables(name: str) -> tuple[str, ...]:
    """The environment variables that set ``name``, the strongest first."""
    setting = find(name)
    return PROVIDER_ENV.get(name) or (setting.env if setting is not None else ())


def secret_variables(*, provider_keys: bool = True) -> frozenset[str]:
    """The environment variables that hold secrets: no program that a gateway starts has a use for them.

    Without ``provider_keys`` only those of the gateway itself.
    """
    names = (*(setting.name for setting in SETTINGS if setting.secret), *(PROVIDER_ENV if provider_keys else ()))
    return frozenset(
        variable
        for name in names
        for variable in variables(name)
        if (setting := find(name)) is not None and setting.secret
    )


_OTHERS_SECRETS = ("JPY_API_TOKEN", "JUPYTERHUB_API_TOKEN", "JUPYTER_TOKEN")


def program_environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a program that is started to help: all of ours but the secrets, which it has no use for."""
    env = os.environ if env is None else env
    secret = secret_variables() | set(_OTHERS_SECRETS)
    return {name: value for name, value in env.items() if name not in secret}


HANDED_ON = "CLAWDBOT_GIVEN_SETTINGS"
"""The variable by which a program that is started to help learns the settings of our own command line, as JSON."""


def handed_on(config: Config) -> dict[str, str]:
    """An addition to ``program_environment``: the settings that stand in no file, but for the secrets."""
    given = {
        name: config.value(name)
        for name in config.names()
        if config.source(name) in ("flag", "traits") and not ((setting := find(name)) and setting.secret)
    }
    return {HANDED_ON: json.dumps(given)} if given else {}


def load(
    env: Mapping[str, str] | None = None,
    *,
    flags: Mapping[str, Any] = {},
    traits: Mapping[str, Any] = {},
    tree: Mapping[str, Any] | None = None,
) -> Config:
    """Read everything and check it. Creates nothing.

    ``flags`` and ``traits`` are by dotted name; a value of ``None`` counts as not given, a string is read as its
    setting's type. Empty environment variables count as not set. ``tree`` is what our file would hold, for a look at
    it before it is written.

    Raises:
        ConfigError: the first wrong name or value of a flag, the environment, the traits or our file.
    """
    env = os.environ if env is None else env
    state = state_dir(env)
    path, theirs = _paths(env, state)
    content = read(path)
    if content.problem is not None and tree is None:
        raise content.problem
    foreign, notes = read_defaults(theirs, env)
    layers: dict[Source, Mapping[str, Any]] = {
        "flag": _given({**json.loads(env.get(HANDED_ON) or "{}"), **flags}),
        "env": _environment(env),
        "traits": _given(traits),
        "file": values((content.tree or {}) if tree is None else tree),
        "clawdbot.json": foreign,
    }
    effective: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for source, layer in layers.items():  # the strongest first
        for name, value in layer.items():
            if name not in effective:
                effective[name], sources[name] = value, source
    effective = {name: effective[name] for name in sorted(effective, key=lambda name: _RANK.index(sources[name]))}
    effective["gateway.auth.mode"] = _auth_mode(effective, sources)
    return Config(state, state / "jupyter", path, effective, sources, tuple(notes))


def _paths(env: Mapping[str, str], state: Path) -> tuple[Path, Path]:
    """Our file and Clawdbot's. ``CLAWDBOT_CONFIG_PATH`` may name either: a ``clawdbot.json`` is never ours to write."""
    ours, theirs = state / "jupyter" / "config.json", state / FILE_NAME
    if given := env.get("CLAWDBOT_CONFIG_PATH", "").strip():
        path = Path(os.path.abspath(Path(given).expanduser()))
        return (ours, path) if path.name == FILE_NAME else (path, theirs)
    return ours, theirs


def _given(layer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: parse_text(name, value) if isinstance(value, str) else check(name, value)
        for name, value in layer.items()
        if value is not None
    }


def _environment(env: Mapping[str, str]) -> dict[str, Any]:
    variables = {**{setting.name: setting.env for setting in SETTINGS if setting.env}, **PROVIDER_ENV}
    found = {}
    for name, candidates in variables.items():
        for variable in candidates:
            if text := env.get(variable, "").strip():
                try:
                    found[name] = parse_text(name, text)
                except ConfigError as exc:
                    raise exc.renamed(f"${variable}") from None
                break
    return found


def _auth_mode(effective: Mapping[str, Any], sources: Mapping[str, Source]) -> str:
    """The mode that is set, else the kind of the secret with the strongest source; a secret as a flag says enough."""

    def rank(kind: str) -> int:
        name = f"gateway.auth.{kind}"
        return _RANK.index(sources[name]) if effective.get(name) else len(_RANK)

    mode, password, token = rank("mode"), rank("password"), rank("token")
    if mode < len(_RANK) and not (mode > 0 and 0 in (password, token)):
        return str(effective["gateway.auth.mode"])
    return "password" if password <= token and password < len(_RANK) else "token"


def snapshot(config: Config) -> dict[str, Any]:
    """The payload of ``config.get``: the file as it is and the values in force, secrets redacted everywhere.

    ``raw`` is the redacted file as JSON, without its comments, since a secret may be commented out; it is ``None``
    while the file cannot be read; ``comments`` says whether it has any, or is otherwise JSON5 written by hand.
    ``sources`` says where each value in ``config`` came from, ``variables`` which environment variable can set it.
    """
    content = read(config.path)
    found = [content.problem] if content.problem else issues(content.tree or {})
    parsed = None if content.tree is None else redact(content.tree)
    names = config.names()
    return {
        "path": str(config.path),
        "exists": content.exists,
        "raw": None if parsed is None else dump(parsed),
        "comments": bool(content.raw.strip()) and not is_strict(content.raw),
        "parsed": parsed or {},
        "config": redact(unflatten({name: config.value(name) for name in names})),
        "sources": {name: config.source(name) for name in names},
        "variables": {name: list(variables(name)) for name in names if variables(name)},
        "valid": not found,
        "issues": [{"path": issue.name, "message": issue.problem, **_suggestion(issue)} for issue in found],
        "hash": content.hash,
    }


def _suggestion(issue: ConfigError) -> dict[str, str]:
    return {"suggestion": issue.suggestion} if issue.suggestion else {}
