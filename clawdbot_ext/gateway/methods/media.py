"""``media.*``: what may be attached, and what the model was given of it."""

from __future__ import annotations

from typing import Any

from ...agent.media import transcribers
from ...agent.media.api import ACCEPT, Block, ImageBlock, MediaSettings, TextBlock
from ...protocol.schema import MediaLimitsResult, MediaSawParams, MediaSawResult, NoParams
from ..connections.connection import Connection
from ..media.attachments import owner_of
from ..media.preparation import last_prepared
from ..registry import method
from ..services import Services


@method("media.limits")
async def media_limits(services: Services, caller: Connection, params: NoParams) -> MediaLimitsResult:
    limits = services.media.limits()
    return MediaLimitsResult(
        max_bytes=limits.max_bytes,
        max_count=limits.max_count,
        max_total_bytes=limits.max_total,
        accept=ACCEPT,
        hear=transcribers.choose(MediaSettings.of(services.config())) is not None,
        see="image" in services.providers.models.default().input,
    )


@method("media.saw")
async def media_saw(services: Services, caller: Connection, params: MediaSawParams) -> MediaSawResult:
    """Nothing yet (no parts) until a run has looked at the file. Raises ``NotFound``."""
    media = await services.media.get(params.media_id, owner_of(caller.identity))
    understood = await last_prepared(services.media, media)
    if understood is None:
        return MediaSawResult(media_id=media.id, parts=(), notes=())
    result = MediaSawResult(
        media_id=media.id,
        parts=[_part(media.id, number, block) for number, block in enumerate(understood.blocks)],
        notes=[note.to_wire(caller.locale) for note in understood.notes],
    )
    if understood.transcriber is not None:
        result.transcriber = understood.transcriber
    return result


def _part(media_id: str, number: int, block: Block) -> dict[str, Any]:
    """Images are fetched as ``media/<id>.<number>``."""
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text, **({"truncated": True} if block.truncated else {})}
    if isinstance(block, ImageBlock):
        return {
            "type": "image",
            "mediaId": f"{media_id}.{number}",
            "width": block.width,
            "height": block.height,
            **({"label": block.label} if block.label else {}),
        }
    return {"type": "document", "pages": block.pages, "first": block.first}
