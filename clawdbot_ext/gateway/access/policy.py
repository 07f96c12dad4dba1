"""Features switched off by an administrator (``policy.disabled``): refused here, and hidden by clients.

``tools`` takes them from the model, ``uploads`` is files from the user's machine, ``files`` those of the server,
``settings`` every change of the configuration by a client, keys included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...protocol.errors import SwitchedOff

if TYPE_CHECKING:
    from ...config import Config

METHODS: Mapping[str, str] = {
    "files.list": "files",
    "sessions.export": "export",
    "sessions.exportMany": "export",
    "sessions.import": "import",
    "config.set": "settings",
    "config.patch": "settings",
    "config.apply": "settings",
    "models.test": "settings",
    "models.setKey": "settings",
}
"""Method → the feature that it belongs to whole. Parts of a method ask ``require`` themselves."""

OPERATORS_OWN: Mapping[str, str] = {
    "files.list": "the files of the machine are not a user's",
    "auth.link": "only the sign-in lets a user in",
    "auth.rotate": "there is no token",
    "auth.logoutEverywhere": "the sign-in ends its logins",
    "storage.backup": "copies are the operator's, and lie on the server's disk",
    "gateway.stop": "the process is everybody's",
    "gateway.checks": "they look at the machine",
    "logs.tail": "the lines of the process are about everybody",
    "update.run": "the installation is everybody's",
}
"""Method → why the space of a user does not have it. All others work in a space as in any gateway, with what is in it.
docs/multi-user.md has the list; tests/security go through every method."""


def disabled(config: Config, feature: str) -> bool:
    """Whether a feature is switched off."""
    return feature in config["policy.disabled"]


def require(config: Config, feature: str) -> None:
    """Raises ``SwitchedOff``."""
    if disabled(config, feature):
        raise SwitchedOff(f"{feature} is switched off by the administrator (policy.disabled)", feature=feature)


def require_method(config: Config, method: str) -> None:
    """Raise ``SwitchedOff`` if the method belongs to a feature that is switched off."""
    if (feature := METHODS.get(method)) is not None:
        require(config, feature)


def methods_off(config: Config) -> frozenset[str]:
    """The methods that are refused as a whole."""
    return frozenset(name for name, feature in METHODS.items() if disabled(config, feature))
