"""``models.list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..protocol.schema import ModelsListResult, NoParams
from .methods import method

if TYPE_CHECKING:
    from .client import Client
    from .core import Gateway


@method("models.list")
async def models_list(gw: Gateway, client: Client, params: NoParams) -> ModelsListResult:
    """What can be chosen, of all configured providers, newest first."""
    default = gw.models.default()
    return ModelsListResult(models=[
        {"id": m.id, "name": m.name, "provider": m.provider, "contextWindow": m.context_window,
         "maxTokens": m.max_output, "reasoning": m.reasoning, "input": list(m.input), "spec": m.spec,
         "isDefault": m.spec == default.spec}
        for m in await gw.models.list()])
