"""Going on with a reply that was cut: how the model is asked, and how what it writes is joined to what there is.

Models up to Claude 4.5 take the beginning of their reply as the last message of the request and go on from it. Newer
ones refuse that (400), and so they get the beginning as a message of theirs and are then told to go on, by an
instruction that is sent and never stored. They are asked to repeat the last words first: what is repeated is cut out
here, and what follows then fits to the letter, in the middle of a word or of a line of code too. Either way the
request begins as the one before did, so the provider's prompt cache is used.
"""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from ..known_models import takes_prefill
from ..providers.base import Completed, ModelInfo, Provider, ProviderEvent, TextDelta, TurnRequest
from ..providers.demo import NAME as DEMO

REPEATED_CHARS = 40
"""Length of the text that the model is asked to repeat."""
LEAST_CHARS = 5
"""A repetition shorter than this may be chance, unless all there is is shorter."""
LOOKED_AT_CHARS = 400
"""Distance from the end at which a repetition may begin: some models begin with the whole last sentence."""

_ASK = (
    "Your last message was cut off before its end. Write the rest of it, from exactly where it stops: no introduction, "
    "no comment, nothing twice. So that both parts fit together, begin with its last characters as they are, and go on "
    "from there. Its last characters:\n<end>{end}</end>"
)


class Continuing:
    """A provider whose reply goes on from ``kept`` (which must not end with white space); deltas are what is new."""

    def __init__(self, provider: Provider, kept: str, space: str, going_on: Callable[[], bool] = lambda: True):
        """
        Args:
            space: the white space that stood behind ``kept``, where it is known that some did.
            going_on: whether the next reply goes on from it; the steps after a tool call are replies as any other.
        """
        self._going_on = going_on
        self.name = provider.name
        self._provider, self._kept, self._space = provider, kept, space

    async def stream(self, request: TurnRequest) -> AsyncIterator[ProviderEvent]:
        """See ``Provider.stream``."""
        events = self._on(request) if self._going_on() else self._provider.stream(request)
        try:
            async for event in events:
                yield event
        finally:  # at once, not when it is collected: the connection goes with it
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()

    async def _on(self, request: TurnRequest) -> AsyncIterator[ProviderEvent]:
        prefill = self.name == DEMO or (takes_prefill(request.model) and request.thinking == "off")
        messages = [*request.messages, _message("assistant", self._kept)]
        joint = None
        if not prefill:
            messages.append(_message("user", _ASK.format(end=_end(self._kept))))
            joint = Joint(self._kept, self._space)
        events = self._provider.stream(replace(request, messages=messages))
        try:
            async for event in events:
                if joint is not None and isinstance(event, TextDelta):
                    if text := joint.append(event.text):
                        yield TextDelta(text)
                    continue
                if joint is not None and isinstance(event, Completed) and (text := joint.end()):
                    yield TextDelta(text)
                yield event
        finally:
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()

    async def list_models(self) -> Sequence[ModelInfo]:
        return await self._provider.list_models()

    async def aclose(self) -> None:
        await self._provider.aclose()


def _message(role: str, text: str) -> dict[str, object]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _end(kept: str) -> str:
    """The last words, which the model is asked to repeat."""
    end = kept[-REPEATED_CHARS:]
    blank = end.find(" ")
    return end[blank + 1 :] if len(end) < len(kept) and 0 <= blank < len(end) // 2 else end


class Joint:
    """Cuts what a text repeats of the one that it goes on from, as it arrives."""

    def __init__(self, kept: str, space: str):
        self._kept, self._space = kept, space
        self._tail = kept[-LOOKED_AT_CHARS:]
        self._held = ""
        self._joined = False

    def append(self, text: str) -> str:
        """The next piece; returns what can be shown now."""
        if self._joined:
            return text
        self._held += text
        begun = self._held.lstrip()
        if begun and begun not in self._tail:  # else it may be repeating still
            return self.end()
        return ""

    def end(self) -> str:
        """No more follows, or no more is needed: what was held back, as far as it is new."""
        if self._joined:
            return ""
        self._joined = True
        begun = self._held.lstrip()
        if not begun:
            return ""
        least = min(LEAST_CHARS, len(self._tail))
        for size in range(min(len(begun), len(self._tail)), least - 1, -1):
            if self._tail.endswith(begun[:size]):
                return begun[size:]
        return self._between(begun) + begun

    def _between(self, begun: str) -> str:
        """The white space between both parts, when nothing was repeated that would tell."""
        lead = self._held[: len(self._held) - len(begun)]
        if lead or self._space:
            return lead if "\n" in lead else self._space or lead
        return " " if _spaced(self._kept[-1:]) and _spaced(begun[0]) else ""


def _spaced(character: str) -> bool:
    """Report whether the script puts spaces between words, so that a token is mostly a word."""
    return character.isalnum() and unicodedata.east_asian_width(character) not in ("W", "F")
