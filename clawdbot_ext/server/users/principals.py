"""Names of users and groups: their one spelling, the slug of a name, and who has a space."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING

from ...config.spaces import EVERYBODY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ...config import Config
    from .sign_in import SignedIn

GROUP = "@"
MAX_NAME = 256
"""Characters of a name; OAuth providers have at most as many in an address of mail."""
SLUG_PREFIX, SLUG_HASH = 16, 24
SLUG = re.compile(rf"u_(?:[a-z0-9_]{{1,{SLUG_PREFIX}}}_)?[0-9a-f]{{{SLUG_HASH}}}")


def name_of(text: str) -> str | None:
    """The one spelling of a user's or a group's name; ``None`` for what cannot be one.

    Unicode is composed (NFC): a Korean name typed on a Mac is the same as on Windows. Capitals and everything else
    stay, since two users may differ by them alone: so a name that begins or ends with a space of another script is
    refused, not cut to that of another user. ``*`` and ``@…`` mean something else in the settings.
    """
    name = unicodedata.normalize("NFC", text.strip(" \t"))
    if name != name.strip():
        return None
    if not name or len(name) > MAX_NAME or name == EVERYBODY or name.startswith(GROUP):
        return None
    return None if any(unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp") for each in name) else name


def slug_of(name: str) -> str:
    """The name of a user's schema, folder and prefix in a bucket: lower-case letters, digits and ``_``, 43 at most.

    What people can read of it comes first; 96 bits of the hash of the whole name tell names apart, so that no two share
    one. No name gets out of its folder by it.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    prefix = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:SLUG_PREFIX].rstrip("_")
    return "_".join(filter(None, ("u", prefix, hashlib.sha256(name.encode()).hexdigest()[:SLUG_HASH])))


def is_named(entries: Iterable[str], name: str, groups: Collection[str]) -> bool:
    """Whether a list of names and ``@groups`` names this user."""
    spelt = {unicodedata.normalize("NFC", entry) for entry in entries}
    return name in spelt or any(f"{GROUP}{group}" in spelt for group in groups)


def is_allowed(config: Config, user: SignedIn) -> bool:
    """Whether a user has a space: ``users.blocked`` before ``users.allowed``, which is everybody where it is empty."""
    if is_named(config["users.blocked"], user.name, user.groups):
        return False
    allowed = config["users.allowed"]
    return not allowed or is_named(allowed, user.name, user.groups)
