"""The types of the settings as overloads: ``clawdbot_ext/config/typed_settings.py``, so that mypy knows each key."""

from __future__ import annotations

import json
from collections.abc import Iterator

from clawdbot_ext.config import SETTINGS, Setting

HEAD = '''\
"""The types of the settings by their dotted names.

Written by ``python -m scripts.generate`` from ``settings.py``: edit that. tests/test_docs.py compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload


class TypedSettings:
    """A mapping by dotted name. For mypy a name that is written out has the type of its setting, a wrong one is an
    error, and a name known only at run time is looked up with ``value``."""

    if TYPE_CHECKING:

'''
FOOT = '''
    def __getitem__(self, name: str) -> Any:
        """Return the effective value, the default included. Lists are tuples. Raises ``KeyError`` on an unknown
        name."""
        return self.value(name)

    def value(self, name: str) -> Any:
        """Return the same, by a name that is known only at run time."""
        raise NotImplementedError
'''


def module() -> str:
    """The whole file, as ``ruff format`` leaves it."""
    names: dict[str, list[str]] = {}
    for setting in SETTINGS:
        if "<name>" not in setting.name:  # a provider's name is known only at run time
            names.setdefault(_type(setting), []).append(setting.name)
    return HEAD + "\n".join(line for kind, found in names.items() for line in _overload(kind, found)) + "\n" + FOOT


def _type(setting: Setting) -> str:
    if setting.type in ("strings", "models"):
        return f"tuple[{_string(setting)}, ...]" if setting.type == "strings" else "tuple[Any, ...]"
    tree = "Mapping[str, Mapping[str, Any]]"
    return {"integer": "int", "number": "float", "boolean": "bool", "string": _string(setting), "tree": tree}[
        setting.type
    ]


def _string(setting: Setting) -> str:
    return f"Literal[{_list(setting.choices)}]" if setting.choices else "str"


def _list(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(json.dumps(name) for name in names)


def _overload(kind: str, names: list[str]) -> Iterator[str]:
    """One overload. Each name has a line of its own, where there is more than one."""
    yield "        @overload"
    short = f"        def __getitem__(self, name: Literal[{_list(names)}]) -> {kind}: ..."
    if len(names) == 1 and len(short) <= 120:
        yield short
    elif len(names) == 1:
        yield "        def __getitem__("
        yield f"            self, name: Literal[{_list(names)}]"
        yield f"        ) -> {kind}: ..."
    else:
        yield "        def __getitem__("
        yield "            self,"
        yield "            name: Literal["
        yield from (f"                {json.dumps(name)}," for name in names)
        yield "            ],"
        yield f"        ) -> {kind}: ..."
