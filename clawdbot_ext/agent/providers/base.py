"""Interface of a model provider: the requests it takes and the events it yields.

Above sits ``turn.run_turn``, which owns retries and decides how a reply ended; below sit ``anthropic`` and ``demo``.
A provider makes exactly one attempt per ``stream`` call and never sleeps for a retry.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

ThinkingLevel = Literal["off", "minimal", "low", "medium", "high"]
THINKING_LEVELS: tuple[str, ...] = get_args(ThinkingLevel)
_OTHER_NAMES: Mapping[str, ThinkingLevel] = {
    **dict.fromkeys(("think", "min"), "minimal"),
    **dict.fromkeys(("on", "enable", "enabled", "thinkhard", "think-hard", "think_hard"), "low"),
    **dict.fromkeys(("mid", "med", "thinkharder", "think-harder", "harder"), "medium"),
    **dict.fromkeys(("ultra", "ultrathink", "thinkhardest", "highest", "max"), "high"),
}
"""Further words for a level that Clawdbot's clients send as they were typed."""


def thinking_level(word: str) -> str | None:
    """The level that ``word`` stands for; ``None`` for none."""
    word = word.strip().lower()
    return word if word in THINKING_LEVELS else _OTHER_NAMES.get(word)


@dataclass(frozen=True)
class ModelInfo:
    """One row of ``models.list``."""

    id: str
    name: str
    provider: str
    context_window: int
    """Tokens the model reads at most, its output included."""
    max_output: int
    """Tokens the model writes at most."""
    reasoning: bool = False
    input: tuple[str, ...] = ("text",)
    created_at_ms: int = 0
    """Milliseconds since the epoch; 0 where the provider does not say."""
    line: str = ""
    """The model line (``sonnet``, ``opus`` …); empty where there is none or it is not known."""
    temperature: bool = True
    """Takes a temperature; the newer Claude models refuse a request with one."""
    deprecated: bool = False
    """Still answers, but is headed for retirement; never chosen by itself."""

    @property
    def spec(self) -> str:
        """The full name, ``provider/id``, which is what sessions store."""
        return f"{self.provider}/{self.id}"


@dataclass(frozen=True)
class ToolSpec:
    """A tool as the model is told of it. ``parameters`` is the JSON Schema of its arguments, an object.

    A tool with a ``server`` type is run by the provider itself, which alone knows what it does and takes.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    server: str = ""


@dataclass(frozen=True)
class TurnRequest:
    """Everything one model call needs. ``messages`` are Messages API dicts, already trimmed to the window."""

    model: str
    system: str
    messages: Sequence[Mapping[str, Any]]
    max_tokens: int
    thinking: ThinkingLevel = "off"
    tools: Sequence[ToolSpec] = ()
    """Tools that the model may call; a reply that calls some ends with the stop reason ``tool_use``."""
    temperature: float | None = None
    """Sent only to models that take one, and not while they think."""
    locale: str = "en"
    """The client's language, for providers that write their own texts (the demo)."""
    patience_s: float = 0.0
    """How long a server that is not Anthropic's may be silent while it reads the prompt, if that is longer than its
    provider would wait by itself; seconds."""
    digest: str = ""
    """The digest of the whole prompt (``context.history``), to which the thinking in the reply is bound."""


@dataclass(frozen=True)
class TextDelta:
    text: str


@dataclass(frozen=True)
class ThinkingDelta:
    text: str


@dataclass(frozen=True)
class Completed:
    """The reply is whole: the provider gave a stop reason.

    ``content`` holds the provider's own blocks (Messages API shape), ``usage`` counts tokens. A ``tool_use`` block
    whose arguments were no JSON object has ``input`` ``{}``, and the text that came in their place as ``invalid``.
    """

    stop_reason: str
    content: Sequence[Mapping[str, Any]]
    usage: Usage
    explanation: str = ""
    """Why the model declined, in the provider's words."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one reply, as the provider bills them."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


ProviderEvent = TextDelta | ThinkingDelta | Usage | Completed
"""``Usage`` is what the provider has counted before the first delta: all that is known of a reply that gets cut."""


class ProviderError(Exception):
    """A call that failed, with what is needed to say so and to decide on a retry.

    ``kind`` is one of ``auth, billing, invalid, no_vision, too_large, not_found, rate_limit, overloaded, server,
    connect, environment, timeout, cut, protocol``; the last three of a stream that had begun are *cuts* and are never
    retried once output was shown. ``retry_after_s`` is the provider's own wish in seconds. ``detail`` is safe to show
    (no key, no path).
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
        passing: bool | None = None,
    ):
        """``passing``: another try may, or can never, bring a reply; ``None``: what is usual for the kind."""
        super().__init__(f"{kind}: {detail}")
        self.passing = passing
        self.kind, self.detail, self.status = kind, detail, status
        self.retry_after_s, self.request_id = retry_after_s, request_id


class WrongEnvironment(ProviderError):
    """No call can be made as the process was started. ``problems`` are variables of its environment, each with a key of
    the catalogue ``agent`` that says what is wrong with it."""

    def __init__(self, problems: Sequence[tuple[str, str]]):
        super().__init__("environment", ", ".join(variable for variable, _ in problems), passing=False)
        self.problems = problems


class Provider(Protocol):
    """A source of replies. Implementations hold one HTTP client and are closed with ``aclose``."""

    name: str
    """The name in ``models.providers.<name>`` (``anthropic``, ``demo``, ``ollama`` …)."""

    def stream(self, request: TurnRequest) -> AsyncIterator[ProviderEvent]:
        """Yield deltas, then exactly one ``Completed``; an iterator that ends without one was cut.

        Raises:
            ProviderError: the attempt failed, before or in the middle of the stream.
        """
        ...

    async def list_models(self) -> Sequence[ModelInfo]:
        """The models this provider serves, newest first. Raises ``ProviderError``."""
        ...

    async def aclose(self) -> None: ...


@dataclass
class Reply:
    """The reply so far: written by ``run_turn``, read by the gateway at any time (flush, abort, resume)."""

    provider: str = ""
    model: str = ""
    text: str = ""
    """Without what was kept of an earlier reply that this one goes on from."""
    thinking: str = ""
    content: Sequence[Mapping[str, Any]] = ()
    """The provider's blocks once complete, else empty: then ``text`` and ``thinking`` are all there is."""
    usage: Usage = field(default_factory=Usage)
    stop_reason: str | None = None
    attempts: int = 0
    digest: str = ""
    """``TurnRequest.digest`` of the request that it answers."""

    def begin_again(self) -> None:
        """Empty the reply: its text so far is stored elsewhere, and the model goes on with a new message."""
        self.text = self.thinking = ""
        self.content, self.usage, self.stop_reason = (), Usage(), None
