"""Titles that the model gives: once for each session, after its first reply, in the background.

A failure is logged and no more: the session keeps the beginning of its first message as its title.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ...agent.context.title import THINKING_TOKENS, make_title, worth_a_title
from ...agent.providers.base import ProviderError
from ...agent.providers.registry import Providers
from ...config.live import LiveConfig
from ...protocol.clock import now_ms
from ...protocol.errors import GatewayError
from ...protocol.keys import is_temporary
from ...protocol.schema import SessionChange
from ...store.api import Session, Store, StoreDamaged
from ..wire_forms import decode, given_title, text_of, wire_usage
from .budget import Budget

log = logging.getLogger(__name__)

LOOK_BACK = 50
"""Messages among which the first question and its reply are looked for: there are few, since it is the first reply."""
LIMIT_S = 30.0
PROMPT_TOKENS = 1500
"""About what the request for a title is long, at most."""


class AutoTitle:
    """The titles that are being made."""

    def __init__(
        self,
        store: Store,
        config: LiveConfig,
        providers: Providers,
        announce: Callable[[Session, SessionChange], None],
        budget: Budget,
    ) -> None:
        self._store, self._config, self._providers, self._announce = store, config, providers, announce
        self._budget = budget
        self._tasks: set[asyncio.Task[None]] = set()
        self._tried: set[tuple[str, str]] = set()
        """Conversations that had their chance since the start."""

    def after_reply(self, session: Session, provider: str, model: str) -> None:
        """A reply is done: name the session, if that is wanted and was not tried yet. Waits for nothing."""
        if (
            provider == "demo"
            or session.epoch == 0
            or is_temporary(session.key)
            or not self._config()["agents.defaults.autoTitle"]
            or session.settings.get("autoTitle") is False
            or session.settings.get("label")
            or given_title(session)
            or (session.session_id, session.title) in self._tried
            or not worth_a_title(session.title)
        ):
            return
        self._tried.add((session.session_id, session.title))
        task = asyncio.create_task(self._name(session, provider, model), name="title")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what is being made."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _name(self, session: Session, provider_name: str, model: str) -> None:
        try:
            page = await self._store.history(session_id=session.session_id, limit=LOOK_BACK)
            if page.has_more:
                return  # a long conversation from before there were titles: it has had its time
            messages = [decode(message) for message in page.messages]
            question = next((text_of(m) for m in messages if m["role"] == "user"), "")
            reply = next((text_of(m) for m in messages if m["role"] == "assistant" and not m.get("command")), "")
            provider = await self._providers.get(provider_name)
            small = self._providers.models.small(provider_name, model)
            spent: dict[str, Any] | None = None
            reservation = await self._budget.admit(small, session.key, prompt=PROMPT_TOKENS, most=THINKING_TOKENS)
            try:
                title, usage = await asyncio.wait_for(make_title(provider, small.id, question, reply), LIMIT_S)
                spent = wire_usage(usage, self._providers.models.cost(provider_name, small.id, usage))
                await self._store.add_usage(
                    session.key,
                    session.session_id,
                    provider=provider_name,
                    model=small.id,
                    spent=spent,
                    now=now_ms(),
                )
            finally:
                await self._budget.settle(reservation, spent)
            now = await self._store.get_session(session.key)
            if title and now is not None and (now.session_id, now.title) == (session.session_id, session.title):
                given = {"text": title, "first": session.title}
                self._announce(await self._store.patch_session(session.key, {"title": given}, now=now_ms()), "updated")
        except (ProviderError, GatewayError, StoreDamaged, asyncio.TimeoutError) as exc:
            log.warning("%s gets no title: %s", session.key, exc if str(exc) else "no answer in time")
