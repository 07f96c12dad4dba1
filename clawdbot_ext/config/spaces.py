"""The configuration of a user's space: the operator's, with what the user may set.

From the strongest: ``users.settings`` for this user; what is the operator's alone to set; the user's own file, as far
as its settings are the user's; the operator's other settings; the defaults. No environment variable is read: the
process has one, and its users share it by the operator's configuration alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .file import leaves, read
from .loading import Config, Source
from .setting_types import ConfigError
from .validation import check, find, is_of_process

EVERYBODY = "*"
_LEFT_OUT = ("gateway.auth.", "gateway.remote.", "users.", "gateway.tailscale.", "gateway.tls.")
"""Settings of the operator that a space has no use for, secrets among them."""
_PROVIDERS = "models.providers."
ANTHROPIC = "anthropic"


def settings_for(config: Config, name: str, groups: Collection[str]) -> dict[str, Any]:
    """The settings that ``users.settings`` has for a user: by name, by group in the order written, for everybody."""
    given = config["users.settings"]
    keys = [key for key in given if key.startswith("@") and key[1:] in groups]
    found: dict[str, Any] = {}
    for key in (name, *keys, EVERYBODY):
        for setting, value in given.get(key, {}).items():
            found.setdefault(setting, value)
    return found


def is_of_user(name: str, providers: Collection[str]) -> bool:
    """Whether a user may set ``name`` in a space: what a client may change, and keys for the operator's providers. Not
    their models: these have prices, by which limits of cost are counted."""
    setting = find(name)
    if setting is None or is_of_process(name):
        return False
    if name.startswith(_PROVIDERS):
        _, _, provider, leaf = name.split(".", 3)
        return provider in (ANTHROPIC, *providers) and leaf == "apiKey"
    return setting.by == "client"


def load_space(operator: Config, name: str, groups: Collection[str], home: Path, slug: str) -> Config:
    """The configuration of the space of the user ``name``, whose files are in ``home``. Creates nothing.

    A file of the user's that cannot be read says nothing; ``config.get`` tells what is wrong with it.
    """
    path = home / "config.json"
    content = read(path)
    providers = operator.providers()
    effective: dict[str, Any] = {}
    sources: dict[str, Source] = {}

    def take(layer: Mapping[str, Any], source: Source) -> None:
        for setting, value in layer.items():
            if setting not in effective:
                effective[setting], sources[setting] = value, source

    take({"gateway.auth.mode": "jupyter"}, "operator")  # no token and no password: the sign-in is the only way in
    take(settings_for(operator, name, groups), "operator")
    explicit = {setting: operator.value(setting) for setting in operator.names() if _is_given(operator, setting)}
    take({each: value for each, value in explicit.items() if not is_of_user(each, providers)}, "operator")
    take({each: value for each, value in _own(content.tree or {}).items() if is_of_user(each, providers)}, "file")
    take(explicit, "operator")
    if place := operator["storage.media.url"]:
        effective["storage.media.url"] = f"{place.rstrip('/')}/{slug}"
    return Config(home, home, path, effective, sources)


def _is_given(operator: Config, setting: str) -> bool:
    return operator.source(setting) != "default" and not setting.startswith(_LEFT_OUT)


def _own(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the user's file. A wrong one, of another version perhaps, is left out."""
    found: dict[str, Any] = {}
    for name, value in leaves(tree):
        with suppress(ConfigError):
            found[name] = check(name, value)
    return found
