"""The secrets of this state directory: created at first use, kept in 0600 files."""

from __future__ import annotations

import secrets
from pathlib import Path

from .. import private_files
from ..config import Config
from .paths import ensure_home

TOKEN_BYTES = 32


def get_or_create_secret(config: Config, name: str) -> str:
    """Return the random secret ``name`` (URL-safe text) of this state directory, created at first use. Raises
    ``OSError``."""
    path = config.home / "secrets" / name
    if (found := _read_secret(path)) is not None:
        return found
    ensure_home(config)
    made = random_secret()
    if private_files.create(path, made.encode() + b"\n"):
        return made
    found = _read_secret(path)  # another process was faster, or the file is empty
    if found is None:
        private_files.write(path, made.encode() + b"\n")
        found = made
    return found


def rotate_secret(config: Config, name: str) -> str:
    """Replace the secret ``name`` by another random one. Raises ``OSError``."""
    ensure_home(config)
    made = random_secret()
    private_files.write(config.home / "secrets" / name, made.encode() + b"\n")
    return made


def random_secret() -> str:
    """Return a new unguessable secret as URL-safe text."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def local_token(config: Config, *, create: bool = False) -> str | None:
    """Return the token that clients use while none is configured; ``None`` if it was never made and ``create`` is
    false."""
    return get_or_create_secret(config, "token") if create else _read_secret(config.home / "secrets" / "token")


def client_credential(config: Config, *, create: bool = False) -> str | None:
    """Return the credential of this user's own programs: kernels, the command line, proxying servers.

    Valid at this state directory's gateway whatever token or password people log in with, which those programs need not
    know. ``None`` if no gateway has made it yet and ``create`` is false.
    """
    return get_or_create_secret(config, "client") if create else _read_secret(config.home / "secrets" / "client")


def _read_secret(path: Path) -> str | None:
    try:
        return path.read_text("ascii").strip() or None
    except (OSError, ValueError):
        return None
