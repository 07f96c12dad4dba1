"""Values of settings: found by name, checked, read from text, and described as JSON Schema."""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from ..i18n import catalogue, language
from .setting_types import PROVIDER_NAME, ConfigError, Setting, _check_principal, wrong
from .settings import SETTINGS

_BY_NAME = {setting.name: setting for setting in SETTINGS}
_t = catalogue("settings")


_PROVIDERS = "models.providers."


def find(name: str) -> Setting | None:
    """The row of a dotted name; ``models.providers.ollama.baseUrl`` finds the ``<name>`` row. ``None`` if unknown."""
    if name.startswith(_PROVIDERS):
        provider, _, leaf = name[len(_PROVIDERS) :].rpartition(".")
        return _BY_NAME.get(f"{_PROVIDERS}<name>.{leaf}") if PROVIDER_NAME.fullmatch(provider) else None
    return _BY_NAME.get(name)


def is_branch(name: str) -> bool:
    """Return whether ``name`` is a prefix of a setting's name, such as ``gateway.auth`` or
    ``models.providers.ollama``."""
    if name.startswith(_PROVIDERS):
        return PROVIDER_NAME.fullmatch(name[len(_PROVIDERS) :]) is not None
    return any(row.startswith(f"{name}.") for row in _BY_NAME)


def unknown(name: str) -> ConfigError:
    """Return the error for an unknown setting, with the nearest name."""
    if '"' in name:
        return wrong(name, "dotted")
    provider = name.split(".")[2] if name.startswith(_PROVIDERS) else "<name>"
    if provider != "<name>" and not PROVIDER_NAME.fullmatch(provider):
        return wrong(name, "providerName")
    names = [row.replace("<name>", provider) for row in _BY_NAME]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    if not near:  # "port" or "auth.tokn" probably means the end of a name
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
    if setting.type == "number":
        return _number(setting, name, value)
    if setting.type == "boolean":
        return _boolean(name, value)
    if setting.type == "string":
        return _string(setting, name, value)
    if setting.type == "tree":
        return _tree(name, value)
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


def _number(setting: Setting, name: str, value: Any) -> float:
    """A number, with or without a part behind the point, as it is or as text (of an environment or a form)."""
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,15}(?:\.\d{1,9})?\s*", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise wrong(name, "number")
    low, high = setting.minimum, setting.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        nearest = low if low is not None and value < low else high
        raise wrong(name, "range", str(nearest), value=f"{value:g}", low=low, high=high)
    return float(value)


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
        for limit in ("contextWindow", "maxTokens"):
            size = value.get(limit)
            if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size <= 0):
                raise wrong(f"{name}.{limit}", "integer")
        return dict(value)
    raise wrong(name, "model")


PER_USER = ("gateway.requestsPerMinute",)
"""Settings of the process that each user may have another value of."""


def is_of_process(name: str) -> bool:
    """Whether a setting is about the process, its address or its storage, and so the same for all of its users."""
    return name.startswith(("gateway.", "storage.", "users.", "logging.")) and name not in PER_USER


def _tree(name: str, value: Any) -> dict[str, dict[str, Any]]:
    """Settings of users: name, ``@group`` or ``*`` → dotted name → checked value."""
    if not isinstance(value, Mapping):
        raise wrong(name, "object")
    found: dict[str, dict[str, Any]] = {}
    for principal, given in value.items():
        if problem := _check_principal(principal):
            raise wrong(name, problem, value=_shorten(principal))
        if not isinstance(given, Mapping):
            raise wrong(f"{name}.{principal}", "object")
        own_settings = found.setdefault(unicodedata.normalize("NFC", principal), {})
        for setting, own in given.items():
            if is_of_process(setting):
                raise wrong(f"{name}.{principal}.{setting}", "ofProcess")
            try:
                own_settings[setting] = check(setting, own)
            except ConfigError as exc:
                raise exc.renamed(f"{name}.{principal}.{exc.name}") from None
    return found


def _shorten(value: str) -> str:
    return repr(value if len(value) <= 40 else value[:39] + "…")


# -- what other programs read -----------------------------------------------------------------------------------------
def json_schema(locale: str | None = None) -> dict[str, Any]:
    """The JSON Schema (draft 7) of the configuration file, described in the language of ``locale``."""
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
        node["properties"][leaf] = _property(setting, locale)
    return root


def _object() -> dict[str, Any]:
    return {"type": "object", "properties": {}, "additionalProperties": False}


def _property(setting: Setting, locale: str | None) -> dict[str, Any]:
    text = _t(locale, setting.name)
    if setting.unit:
        text += f" In {setting.unit}." if language(locale) == "en" else f" ({_t(locale, f'unit.{setting.unit}')})"
    schema: dict[str, Any] = {"description": text}
    if setting.type == "models":
        model = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
        return {**schema, "type": "array", "items": {"anyOf": [{"type": "string"}, model]}}
    if setting.type == "strings":
        choices = {"enum": list(setting.choices)} if setting.choices else {}
        return {**schema, "type": "array", "items": {"type": "string", **choices}}
    if setting.type == "tree":
        return {**schema, "type": "object", "additionalProperties": {"type": "object"}, "default": setting.default}
    schema |= {"type": setting.type, "default": setting.default}
    if setting.choices:
        schema["enum"] = list(setting.choices)
    bounds = {"minimum": setting.minimum, "maximum": setting.maximum}
    return schema | {key: bound for key, bound in bounds.items() if bound is not None}


def ui_hints(locale: str | None = None) -> dict[str, Any]:
    """Return the form hints beside the schema by dotted name (``*`` for a provider's), as the Control UI reads them.

    Ours are ``by`` (``owner``: no client changes it), ``unit``, ``env`` (the variables that set it) and ``restart``.
    """
    hints: dict[str, Any] = {}
    for order, setting in enumerate(SETTINGS):
        name = setting.name.replace("<name>", "*")
        help_ = _t(locale, setting.name)
        hint: dict[str, Any] = {"help": help_, "group": name.split(".")[0], "order": order, "by": setting.by}
        if setting.secret:
            hint["sensitive"] = True
        if setting.unit:
            hint["placeholder"] = hint["unit"] = _t(locale, f"unit.{setting.unit}")
        if setting.env:
            hint["env"] = list(setting.env)
        if setting.restart:
            hint["restart"] = True
        hints[name] = hint
    return hints
