"""One turn against the scripted Messages API, and all that can be seen of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from clawdbot_ext.agent.providers.anthropic import AnthropicProvider
from clawdbot_ext.agent.providers.base import Provider, Reply, TextDelta, ThinkingDelta, TurnRequest
from clawdbot_ext.agent.turn import Outcome, Retrying, RetryPolicy, TurnEvent, run_turn
from tests.support.aio import Clock
from tests.support.messages_api import MessagesAPI

MODEL = "claude-sonnet-5-5"


@dataclass
class Turn:
    """The result of a turn."""

    outcome: Outcome
    reply: Reply
    events: list[TurnEvent] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    @property
    def retries(self) -> list[Retrying]:
        return [event for event in self.events if isinstance(event, Retrying)]

    @property
    def shown(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def thought(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, ThinkingDelta))

    @property
    def kind(self) -> str:
        return str((self.outcome.error or {}).get("kind", ""))


def request(text: str, **fields: Any) -> TurnRequest:
    """A request whose only message is ``text``."""
    fields = {"model": MODEL, "system": "", "max_tokens": 1000, **fields}
    return TurnRequest(messages=[{"role": "user", "content": [{"type": "text", "text": text}]}], **fields)


async def take(
    provider: Provider, text: str, *, policy: RetryPolicy | None = None, random: float = 0.5, **fields: Any
) -> Turn:
    """Run a turn in which waiting takes no time."""
    turn = Turn(Outcome("failed", "error"), Reply())
    turn.outcome = await run_turn(
        provider,
        request(text, **fields),
        turn.reply,
        turn.events.append,
        policy=policy or RetryPolicy(),
        sleep=turn.clock.sleep,
        clock=turn.clock,
        random=lambda: random,
    )
    return turn


async def ask(api: MessagesAPI, text: str, *, key: str = "sk-test-key-1", stall_s: float = 3.0, **fields: Any) -> Turn:
    """Run a turn over a new client of ``api``."""
    provider = AnthropicProvider("anthropic", key, api.url, stall_s=stall_s)
    try:
        return await take(provider, text, **fields)
    finally:
        await provider.aclose()
