"""Changing the secret itself, with or without a running gateway, which notices."""

from __future__ import annotations

from ... import config as settings
from ...config import Config, ConfigError
from ...runtime.secrets import random_secret, rotate_secret
from .passwords import HASHED, MIN_EXPOSED_PASSWORD, hash_password, is_weak


def rotate_token(config: Config) -> str:
    """Put another random token in the place of the one in force, and return it.

    Raises:
        ConfigError: it is set where only the user can change it (a variable, an option, another program's file).
        OSError: it cannot be written.
    """
    if not (config["gateway.auth.token"] and config["gateway.auth.mode"] == "token"):
        return rotate_secret(config, "token")
    source = config.source("gateway.auth.token")
    if source != "file":
        raise ConfigError("gateway.auth.token", f"comes from {_origin(config, source)}; change it there")
    made = random_secret()
    settings.set_value(config.path, "gateway.auth.token", made)
    return made


def _origin(config: Config, source: str) -> str:
    if source == "env":
        return "the environment variable " + " or ".join(settings.variables("gateway.auth.token"))
    names = {"flag": "the command line", "traits": "Jupyter's configuration", "clawdbot.json": "Clawdbot's own file"}
    return names.get(source, source)


def store_password(config: Config, password: str) -> None:
    """Have people log in with ``password`` from now on; what is written is its hash.

    Raises:
        ConfigError: it is too easy to guess.
        OSError: it cannot be written.
    """
    if is_weak(password, MIN_EXPOSED_PASSWORD):
        raise ConfigError(
            "gateway.auth.password", f"needs {MIN_EXPOSED_PASSWORD} characters or more, and must not be a placeholder"
        )
    hashed = {"mode": "password", "password": hash_password(password)}
    settings.merge(config.path, {"gateway": {"auth": hashed}}, base_hash=None)


def hash_stored_password(config: Config) -> bool:
    """Put a hash in the place of a password that our file holds as text; was there one? Raises ``OSError``."""
    password = config["gateway.auth.password"]
    if not password.strip() or password.startswith(HASHED) or config.source("gateway.auth.password") != "file":
        return False
    settings.set_value(config.path, "gateway.auth.password", hash_password(password))
    return True
