"""A device of a test's own: a key, and what it signs. Shares no code with the gateway or our client."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Device:
    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes_raw()
        self.id = hashlib.sha256(self.public).hexdigest()

    def connect(
        self,
        nonce: str | None,
        *,
        token: str | None = None,
        role: str = "operator",
        scopes: Sequence[str] = ("operator.admin",),
        client: str = "test",
        mode: str = "test",
        signed_at: int | None = None,
        version: str = "v2",
        **more: Any,
    ) -> dict[str, Any]:
        """The parameters of a signed ``connect``; ``more`` replaces or adds top-level fields after signing."""
        at = int(time.time() * 1000) if signed_at is None else signed_at
        parts = [version, self.id, client, mode, role, ",".join(scopes), str(at), token or ""]
        if version == "v2":
            parts.append(nonce or "")
        device: dict[str, Any] = {
            "id": self.id,
            "publicKey": b64(self.public),
            "signedAt": at,
            "signature": b64(self.key.sign("|".join(parts).encode())),
        }
        if version == "v2":
            device["nonce"] = nonce
        params = {
            "minProtocol": 3,
            "maxProtocol": 3,
            "role": role,
            "scopes": list(scopes),
            "caps": [],
            "device": device,
            "client": {"id": client, "version": "1", "platform": "linux", "mode": mode},
        }
        if token:
            params["auth"] = {"token": token}
        return {**params, **more}
