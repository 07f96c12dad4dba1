"""Why a file cannot be used, as one exception with a code each; texts and hints are in the catalogue ``media``.

code                      HTTP  what it means
MEDIA_EMPTY               400   nothing in it
MEDIA_TRUNCATED           400   it ends too early
MEDIA_CORRUPT             400   it cannot be read
MEDIA_ENCRYPTED           400   it asks for a password
MEDIA_NO_DURATION         400   a recording of 0 seconds
MEDIA_NO_PAGES            400   a document without pages
MEDIA_TOO_MANY_PIXELS     413   an image whose decoding is refused (``width``, ``height``)
MEDIA_BOMB                413   it unpacks to far more than it is
MEDIA_TOO_SLOW            400   reading took more time or memory than is allowed
MEDIA_UNSUPPORTED         415   a kind that nothing here reads (``type``)
MEDIA_NEEDS               415   readable with an extra that is not installed (``extra``)
MEDIA_TRANSCRIBER_FAILED  400   the speech recogniser failed (``detail``)
"""

from __future__ import annotations

from typing import Any

from ...i18n import catalogue
from ...protocol.errors import InvalidRequest

_t = catalogue("media")

STATUS = {
    "MEDIA_TOO_MANY_PIXELS": 413,
    "MEDIA_BOMB": 413,
    "MEDIA_UNSUPPORTED": 415,
    "MEDIA_NEEDS": 415,
}
"""Codes whose HTTP status is not 400."""


class MediaError(InvalidRequest):
    """A file that cannot be used. On the wire ``details.reason`` is the code and ``details.hint`` what to do."""

    def __init__(self, media_code: str, *, variant: str = "", **facts: Any):
        """
        Args:
            media_code: one of the table above.
            variant: names a more exact pair of texts, ``<code>.<variant>.*``, in the catalogue.
            facts: numbers and strings for the texts; ``name`` is the file's.
        """
        self.key = media_code + (f".{variant}" if variant else "")
        self.media_code, self.variant, self.texts = media_code, variant, {"name": "", **facts}
        super().__init__(
            _t("en", f"{self.key}.message", **self.texts),
            reason=media_code,
            hint=_t("en", f"{self.key}.hint", **self.texts),
            **facts,
        )

    @property
    def status(self) -> int:
        """The HTTP status that says this."""
        return STATUS.get(self.media_code, 400)

    def message_in(self, locale: str | None) -> str:
        return _t(locale, f"{self.key}.message", **self.texts)

    def hint_in(self, locale: str | None) -> str:
        return _t(locale, f"{self.key}.hint", **self.texts)
