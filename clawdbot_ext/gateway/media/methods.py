"""``media.*``: what may be attached, and what the model was given of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...agent.media import transcribers
from ...agent.media.api import ACCEPT, MediaSettings
from ...protocol.schema import MediaLimitsResult, NoParams
from ..methods import method

if TYPE_CHECKING:
    from ..client import Client
    from ..core import Gateway


@method("media.limits")
async def media_limits(gw: Gateway, client: Client, params: NoParams) -> MediaLimitsResult:
    limits = gw.media.limits()
    return MediaLimitsResult(
        max_bytes=limits.max_bytes, max_count=limits.max_count, max_total_bytes=limits.max_total, accept=ACCEPT,
        hear=transcribers.choose(MediaSettings.of(gw.live())) is not None, see="image" in gw.models.default().input)
