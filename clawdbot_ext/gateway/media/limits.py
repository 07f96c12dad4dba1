"""Limits on the size and number of attachments, from the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...agent.media.api import Kind
from ...config import Config
from ...protocol.errors import TooLarge

_SETTING: dict[Kind, str] = {
    "image": "image",
    "document": "document",
    "notebook": "document",
    "audio": "audio",
    "video": "video",
    "text": "text",
}
"""Which setting ``media.maxBytes.*`` bounds a kind."""
KINDS = ("image", "document", "audio", "video", "text")


@dataclass(frozen=True)
class Limits:
    """All in bytes, but ``max_count``."""

    max_bytes: dict[str, int]
    """By the last part of the setting's name."""
    max_count: int
    """Attachments of one message."""
    max_total: int
    """Bytes of all attachments of one message."""

    @classmethod
    def of(cls, config: Config) -> Limits:
        return cls(
            {kind: config.value(f"media.maxBytes.{kind}") for kind in KINDS},
            config["media.maxCount"],
            config["media.maxTotalBytes"],
        )

    @property
    def largest(self) -> int:
        """No file of any kind may have more."""
        return max(self.max_bytes.values())

    def of_kind(self, kind: Kind) -> int:
        return self.max_bytes[_SETTING[kind]]

    def check(self, size: int, kind: Kind | None, name: str) -> None:
        """Raises ``TooLarge`` when a file of ``size`` bytes is too large for its kind (``None``: not known yet)."""
        most = self.largest if kind is None else self.of_kind(kind)
        if size > most:
            facts: dict[str, Any] = {"kind": kind} if kind else {}
            raise TooLarge(
                f"{name or 'the file'} is too large: at most {most} bytes",
                reason="MEDIA_TOO_LARGE",
                maxBytes=most,
                limits=self.max_bytes,
                **facts,
            )
