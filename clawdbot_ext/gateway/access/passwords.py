"""Strength of secrets, and passwords stored as scrypt hashes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

from ...config import Config
from ...config.setting_types import wrong

MIN_EXPOSED_TOKEN = 16
"""Bytes of a token that others than this machine may guess at."""
MIN_EXPOSED_PASSWORD = 8
SCRYPT_LOG2_N, SCRYPT_R, SCRYPT_P = 14, 8, 1
"""About 35 ms and 16 MB a check."""
HASHED = "scrypt:"
"""The prefix of a stored password hash."""

_PLACEHOLDERS = frozenset(
    {
        "changeme",
        "change-me",
        "change_me",
        "default",
        "password",
        "passw0rd",
        "secret",
        "token",
        "your-token-here",
        "clawdbot",
        "jupyter",
        "admin",
    }
)


def hash_password(password: str) -> str:
    """``password`` as ``gateway.auth.password`` may hold it instead of the clear text.

    The form is ``scrypt:<log2 n>:<r>:<p>:<salt>:<hash>``, the last two in URL-safe base64.
    """
    salt = secrets.token_bytes(16)
    derived = scrypt(password, salt, SCRYPT_LOG2_N, SCRYPT_R, SCRYPT_P)
    return f"{HASHED}{SCRYPT_LOG2_N}:{SCRYPT_R}:{SCRYPT_P}:{b64(salt)}:{b64(derived)}"


def check_secret(config: Config, *, exposed: bool) -> None:
    """Refuse a secret that cannot protect anything. ``exposed``: others than this machine can reach the gateway.

    Raises:
        ConfigError: a mode without what it takes: a password, Tailscale Serve, a Jupyter server around the gateway; an
            unreadable hash; a secret that is exposed and a placeholder or short; Tailscale Funnel without a password.
    """
    mode, tailscale = config["gateway.auth.mode"], config["gateway.tailscale.mode"]
    if tailscale == "funnel" and mode != "password":
        raise wrong("gateway.tailscale.mode", "auth.funnelPassword")
    if mode == "tailscale" and tailscale != "serve":
        raise wrong("gateway.auth.mode", "auth.tailscaleServe")
    token, password = config["gateway.auth.token"], config["gateway.auth.password"]
    exposed = exposed or tailscale != "off"
    if mode == "password":
        if not password.strip():
            raise wrong("gateway.auth.password", "auth.passwordMissing")
        if password.startswith(HASHED):
            parse_hash(password)
        elif exposed and is_weak(password, MIN_EXPOSED_PASSWORD):
            raise wrong("gateway.auth.password", "auth.weakPassword", least=MIN_EXPOSED_PASSWORD)
    elif token and exposed and is_weak(token, MIN_EXPOSED_TOKEN):
        raise wrong("gateway.auth.token", "auth.weakToken", least=MIN_EXPOSED_TOKEN)


def is_weak(text: str, least: int) -> bool:
    """Whether a secret is too short, a placeholder, or one repeated character."""
    core = text.strip()
    return (
        len(core.encode("utf-8", "surrogatepass")) < least
        or core.lower().rstrip("0123456789!") in _PLACEHOLDERS
        or _one_character(core)
    )


def _one_character(text: Iterable[str]) -> bool:
    return len(set(text)) < 2


def matches(given: str, stored: str) -> bool:
    """Whether ``stored`` is the hash of ``given``. Takes 35 ms. Raises ``ConfigError`` for no hash."""
    log2_n, r, p, salt, derived = parse_hash(stored)
    return hmac.compare_digest(scrypt(given, salt, log2_n, r, p), derived)


def scrypt(password: str, salt: bytes, log2_n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=1 << log2_n,
        r=r,
        p=p,
        maxmem=(1 << log2_n) * r * 256,
        dklen=32,
    )


def parse_hash(text: str) -> tuple[int, int, int, bytes, bytes]:
    """The parts of a stored hash. Raises ``ConfigError``."""
    try:
        _, log2_n, r, p, salt, derived = text.split(":")
        parsed = int(log2_n), int(r), int(p), unb64(salt), unb64(derived)
    except ValueError:
        raise wrong("gateway.auth.password", "auth.badHash") from None
    if not (10 <= parsed[0] <= 18 and 1 <= parsed[1] <= 16 and 1 <= parsed[2] <= 4 and len(parsed[4]) == 32):
        raise wrong("gateway.auth.password", "auth.hashRange")
    return parsed


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
