"""A device of our own: the key that a client signs its ``connect`` with, and the token that it was given for it.

Kept in a file of the state directory (0600). Needed by who must be known again without the gateway's shared secret: the
node of the command line, on another machine above all.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import private_files
from ..protocol.clock import now_ms


class DeviceKey:
    """One device. ``sign`` completes the parameters of a ``connect``."""

    def __init__(self, path: Path, key: Any, token: str | None):
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._path, self._key, self.token = path, key, token
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = hashlib.sha256(public).hexdigest()
        self.public_key = _b64(public)

    def sign(self, params: dict[str, Any], nonce: str) -> None:
        """Put ``device`` into the parameters of a ``connect``; the token of the device goes before a shared one."""
        if self.token:
            params["auth"] = {"token": self.token}
        signed_at = now_ms()
        text = "|".join(
            (
                "v2",
                self.id,
                params["client"]["id"],
                params["client"]["mode"],
                params["role"],
                ",".join(params.get("scopes") or ()),
                str(signed_at),
                params.get("auth", {}).get("token") or "",
                nonce,
            )
        )
        signature = _b64(self._key.sign(text.encode()))
        params["device"] = {
            "id": self.id,
            "publicKey": self.public_key,
            "signature": signature,
            "signedAt": signed_at,
            "nonce": nonce,
        }

    def keep(self, hello: Mapping[str, Any]) -> None:
        """Remember the token that ``hello-ok`` brought. Raises ``OSError``."""
        token = (hello.get("auth") or {}).get("deviceToken")
        if token and token != self.token:
            self.token = token
            _write(self._path, self._key, token)

    def forget(self) -> None:
        """The token was refused: the next ``connect`` shows the shared secret again. Raises ``OSError``."""
        self.token = None
        _write(self._path, self._key, None)


def load_device(path: Path) -> DeviceKey:
    """The device of the file ``path``, made if there is none. Raises ``OSError``; ``ValueError`` for another file."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        stored = json.loads(path.read_bytes())
        return DeviceKey(path, Ed25519PrivateKey.from_private_bytes(bytes.fromhex(stored["key"])), stored.get("token"))
    except FileNotFoundError:
        key = Ed25519PrivateKey.generate()
        private_files.make_directory(path.parent)
        _write(path, key, None)
        return DeviceKey(path, key, None)
    except (KeyError, TypeError) as exc:
        raise ValueError(f"{path} holds no device key") from exc


def _write(path: Path, key: Any, token: str | None) -> None:
    facts = {"key": key.private_bytes_raw().hex(), **({"token": token} if token else {})}
    private_files.write(path, json.dumps(facts).encode() + b"\n")


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
