"""Small real files for tests of attachments."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from urllib.request import Request, urlopen

from PIL import Image

if TYPE_CHECKING:
    from tests.support.server import GatewayProcess


def png(width: int, height: int, colour: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    """A picture of one colour."""
    target = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(target, "PNG")
    return target.getvalue()


def upload(gateway: GatewayProcess, name: str, data: bytes) -> dict[str, Any]:
    """``POST media``; what the gateway says of the file."""
    request = Request(f"{gateway.url}media?name={quote(name)}", data, {"Authorization": f"Bearer {gateway.token}"})
    with urlopen(request, timeout=60) as response:
        told: dict[str, Any] = json.load(response)
        return told
