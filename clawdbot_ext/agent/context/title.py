"""A title for a conversation: asked of the model once, after its first reply, in a request of its own."""

from __future__ import annotations

import re

from ..known_models import thinking_of
from ..providers.base import Completed, Provider, ProviderError, TurnRequest, Usage

MAX_TOKENS, THINKING_TOKENS = 40, 2048
"""The longest answer; and of a model that cannot be kept from thinking first."""
QUESTION_CHARS, REPLY_CHARS = 2000, 1000
"""Characters of each that the model is shown: the beginning tells the subject."""
TITLE_CHARS = 60
LEAST_WORDS = 2
"""A message of one word says nothing that would be worth a request."""

_SYSTEM = (
    "You name conversations. Answer with a title of two to six words for the one below, in the language that the "
    "person writes in. No quotation marks, no full stop, no explanation."
)
_WORD = re.compile(r"\w+")
_COUNTS_AS_WORDS = 6
"""Characters of a text without spaces (Korean, Japanese, Chinese) that say as much as two words."""


def worth_a_title(text: str) -> bool:
    """Report whether the first message is enough for a title."""
    words = _WORD.findall(text)
    return len(words) >= LEAST_WORDS or any(not word.isascii() and len(word) >= _COUNTS_AS_WORDS for word in words)


async def make_title(provider: Provider, model: str, question: str, reply: str) -> tuple[str, Usage]:
    """The title and what it cost; an empty title when the model gave none that can be used.

    Raises:
        ProviderError: the request failed; it is not tried again.
    """
    text = f"<person>\n{question[:QUESTION_CHARS]}\n</person>\n<assistant>\n{reply[:REPLY_CHARS]}\n</assistant>"
    request = TurnRequest(
        model=model,
        system=_SYSTEM,
        max_tokens=THINKING_TOKENS if thinking_of(model).off == "always" else MAX_TOKENS,
        messages=[{"role": "user", "content": [{"type": "text", "text": text}]}],
    )
    async for event in provider.stream(request):
        if isinstance(event, Completed):
            said = "".join(str(b.get("text", "")) for b in event.content if b.get("type") == "text")
            return tidy(said), event.usage
    raise ProviderError("cut", "the stream ended without a stop reason")


def tidy(said: str) -> str:
    """One line without the decoration that models like; empty for what is no title."""
    line = next((line.strip() for line in said.splitlines() if line.strip()), "")
    line = re.sub(r"^(title|제목)\s*:\s*", "", line.strip("#*_`\"'“”‘’「」 "), flags=re.IGNORECASE)
    line = " ".join(line.strip("\"'“”‘’「」*` ").rstrip(".。").split())
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1].rstrip() + "…"
