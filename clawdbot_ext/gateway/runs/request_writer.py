"""The writer of a run's requests to the model: each is made anew of what is stored, by ``agent.context``.

So a step of a run and the next turn read the same, tool results that no longer fit are shortened or summed up between
two steps too, and what a person sends meanwhile is taken up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from ...agent.context.builder import Fitted, build
from ...agent.context.compaction import AT_PART
from ...agent.context.system_prompt import system_prompt
from ...agent.model_catalog import Model
from ...agent.providers.base import ThinkingLevel, ToolSpec, TurnRequest
from ...agent.turn import MediaProgress, TurnEvent
from ...config import Config
from ...store import failpoints
from ...store.api import Session
from ..media.preparation import prepare_attachments
from .active import ActiveRun
from .compaction import compact_if_needed
from .context import RunContext
from .messages import t

T = TypeVar("T")

BYTES_PER_TOKEN, LEAST_BYTES = 6, 16_000_000
"""An upper bound that decides how much is read from the store, not what is sent: tool results are stored whole."""
TIGHTER = 0.7
"""Part of the room that is used after the provider refused a request as too large."""
LARGE_BYTES = 1_000_000
"""From this size on a request is put together in a thread."""


def thinking_level(config: Config, session: Session | None) -> ThinkingLevel:
    """The session's own level, else the default's."""
    own: ThinkingLevel | None = session.settings.get("thinkingLevel") if session else None
    return own or config["agents.defaults.thinking"]


class RequestWriter:
    """Writes the requests of one run. Model, system prompt, tools and thinking level stay the same all along."""

    def __init__(
        self,
        context: RunContext,
        active: ActiveRun,
        session: Session,
        model: Model,
        tools: Sequence[ToolSpec],
        emit: Callable[[TurnEvent], None],
        *,
        thinking: ThinkingLevel | None = None,
        patience_s: float = 0.0,
    ) -> None:
        """``thinking``: the level for this run alone. ``patience_s``: see ``TurnRequest``."""
        config = context.config()
        self._context, self._active, self._session, self._model, self._emit = context, active, session, model, emit
        self._tools = tools
        self._max_tokens = min(model.max_output, config["agents.defaults.maxTokens"] or model.max_output)
        self._system = system_prompt(
            config["agents.defaults.systemPrompt"],
            session.settings.get("systemPrompt"),
            environment=context.environment,
            hands=any(not tool.server for tool in tools),
        )
        self._thinking = thinking or thinking_level(config, session)
        self._temperature = session.settings.get("temperature")
        self._patience_s = patience_s
        self._locale = str(active.run.options.get("locale") or "en")
        self.notice = ""
        """A text for people about what the model was not given."""

    async def next_request(self, smaller: bool) -> TurnRequest:
        """The request as it is now; ``smaller``: the one before was refused as too large. Raises ``LimitReached``."""
        budget = self._context.budget
        await budget.settle(self._active.reservation, None)
        if self._active.fold_in is not None:
            await self._active.fold_in()
        tighter = TIGHTER if smaller else 1.0
        fitted = await self._fit(tighter)
        full = fitted.tokens > AT_PART * (self._model.context_window - self._max_tokens) * tighter
        if (full or fitted.dropped) and await compact_if_needed(
            self._context, self._active, self._session, self._model, self._locale
        ):
            fitted = await self._fit(tighter)
        self.notice = t(self._locale, "run.dropped") if fitted.dropped else ""
        self._active.reservation = await budget.admit(
            self._model, self._session.key, prompt=fitted.tokens, most=self._max_tokens
        )
        failpoints.hit("provider.call")
        return TurnRequest(
            model=self._model.id,
            system=self._system,
            messages=fitted.messages,
            max_tokens=self._max_tokens,
            tools=self._tools,
            locale=self._locale,
            temperature=self._temperature,
            thinking=self._thinking,
            patience_s=self._patience_s,
            digest=fitted.digest,
        )

    async def _fit(self, tighter: float) -> Fitted:
        conversation = await self._context.conversations.read(
            self._active.run.session_id, max(LEAST_BYTES, self._model.context_window * BYTES_PER_TOKEN)
        )
        shown = await prepare_attachments(
            self._context.media,
            conversation.with_files,
            self._model,
            locale=self._locale,
            emit=lambda data: self._emit(MediaProgress(data)),
        )

        def made() -> Fitted:
            return build(
                conversation.messages,
                system=self._system,
                window=self._model.context_window,
                max_output=self._max_tokens,
                model=self._model.id,
                provider=self._model.provider,
                tools=self._tools,
                shown=shown,
                vision="image" in self._model.input,
                tighter=tighter,
                memo=conversation.memo,
            )

        return await _maybe_in_thread(conversation.bytes + sum(each.bytes for each in shown.values()), made)


async def _maybe_in_thread(size: int, work: Callable[[], T]) -> T:
    """The result of ``work``, done in a thread where there is much of it: ``size`` is in bytes."""
    return await asyncio.to_thread(work) if size > LARGE_BYTES else work()
