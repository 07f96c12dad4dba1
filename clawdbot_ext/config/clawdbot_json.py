"""Clawdbot's own ``clawdbot.json``, read for defaults and never written.

Its schema is Clawdbot's business and changes with it, so everything here is tolerant: what is absent, foreign or wrong
is skipped, and at most noted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .file import read
from .setting_types import PROVIDER_NAME, ConfigError
from .validation import check

FILE_NAME = "clawdbot.json"
_PLAIN = ("gateway.port", "gateway.auth.mode", "gateway.auth.token", "gateway.auth.password")
_REMOTE = ("gateway.remote.url", "gateway.remote.token", "gateway.remote.password", "gateway.remote.tlsFingerprint")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def read_defaults(path: Path, env: Mapping[str, str]) -> tuple[dict[str, Any], list[ConfigError]]:
    """The settings that ``clawdbot.json`` gives, by dotted name, and what of it could not be used.

    ``${NAME}`` in its strings is taken from ``env``, as Clawdbot does; a setting with an unset variable is skipped.
    """
    content = read(path)
    if content.tree is None:
        return {}, [content.problem] if content.problem else []
    candidates = _candidates(content.tree)
    found: dict[str, Any] = {}
    notes = []
    for name, value in candidates.items():
        try:
            expanded = _expand(value, env)
            if expanded not in ("", None):
                found[name] = check(name, expanded)
        except ConfigError as exc:
            notes.append(exc.renamed(f"{path.name}: {exc.name}"))
    return found, notes


def _candidates(tree: Mapping[str, Any]) -> dict[str, Any]:
    remote = _at(tree, "gateway.mode") == "remote"  # Clawdbot, too, looks at gateway.remote in this mode only
    found = {name: _at(tree, name) for name in (_PLAIN + _REMOTE if remote else _PLAIN)}
    providers = _at(tree, "models.providers")
    for provider, entry in providers.items() if isinstance(providers, Mapping) else ():
        # Providers of other interfaces are Clawdbot's alone; without the field it means another one than ours.
        ours = isinstance(entry, Mapping) and entry.get("api") == "anthropic-messages"
        if ours and PROVIDER_NAME.fullmatch(provider):
            for leaf in ("api", "baseUrl", "apiKey", "models"):
                found[f"models.providers.{provider}.{leaf}"] = entry.get(leaf)
    model = _at(tree, "agents.defaults.model")
    if isinstance(model, Mapping):
        model = model.get("primary")
    if isinstance(model, str) and _usable(model, found):
        found["agents.defaults.model"] = model
    return {name: value for name, value in found.items() if value is not None}


def _usable(model: str, found: Mapping[str, Any]) -> bool:
    """Return whether the model speaks the Messages API: ``openai/…`` as a default would leave us without an answer."""
    provider, slash, _ = model.partition("/")
    return not slash or provider == "anthropic" or f"models.providers.{provider}.api" in found


def _at(tree: Mapping[str, Any], name: str) -> Any:
    node: Any = tree
    for part in name.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _expand(value: Any, env: Mapping[str, str]) -> Any:
    if not isinstance(value, str):
        return value
    if any(not env.get(variable) for variable in _VARIABLE.findall(value)):
        return None
    return _VARIABLE.sub(lambda match: env[match[1]], value)
