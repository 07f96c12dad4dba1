"""The provider that needs nothing: scripted answers, streamed word by word, for a first look without an API key.

It says what it is in every answer that is not a showcase, and how to get a real one. It makes no network call and does
not import the SDK. Shipped and public, since it is also what tests and screenshots run on: see ``directives``.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from ...i18n import catalogue
from ..context.token_estimate import estimate
from . import demo_directives, demo_notebook
from .base import Completed, ModelInfo, ProviderError, ProviderEvent, TextDelta, ThinkingDelta, TurnRequest, Usage

NAME = "demo"
MODEL = "demo"
DELAY_MS = 14.0
"""Between two words: a pace that can be read, and seen to stream."""
FIRST_MS = 180.0
SLOW_DELAY_MS = 220.0
LONG_SECTIONS = 12

_t = catalogue("agent")
_WORD_END = re.compile(r"(?<=\S)(?=\s)")
_SUM = re.compile(r"[\d\s.+*/%()-]+")
_WORK = re.compile(
    r"\b(add|write|insert) (me )?a cell\b|\bedit and (a )?run\b|셀(을|를)? ?(하나 )?(추가|만들)", re.IGNORECASE
)
_KEYWORDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("tools", r"\btools\b|\bboth\b|도구들|여러 도구"),
        ("tool", r"\btool\b|\bapprov(e|al)\b|\bcalculat(e|or)\b|도구|승인|계산"),
        ("clock", r"\bwhat time\b|\bclock\b|몇 ?시|시계"),
        ("fix", r"\bcorrected cell\b|\bfix (this|my|the) (cell|error)\b|고친 셀|셀을? 고쳐"),
        ("work", _WORK.pattern),
        ("key", r"\bapi[ _-]?key\b|\bset ?up\b|\bkey\b|api ?키|설정|키\b"),
        ("explain", r"\bvariance\b|standard deviation|분산|표준편차"),
        ("pandas", r"\bpandas\b|dataframe"),
        ("review", r"\baccuracy\b|정확도"),
        ("thinking", r"\bthink(ing)?\b|\breason(ing)?\b|생각|추론"),
        ("table", r"\btables?\b|표(?=[\s를로는가만.!?]|$)|테이블"),
        ("math", r"\bmath\b|\bequations?\b|\bformulas?\b|\blatex\b|수식|수학|방정식"),
        ("code", r"\bcode\b|\bpython\b|코드|파이썬"),
        ("markdown", r"\bmarkdown\b|\bshowcase\b|\bformat(ting)?\b|마크다운|서식"),
        ("long", r"\blong\b|길게|긴 "),
        ("slow", r"\bslow(ly)?\b|천천히|느리게"),
        ("korean", r"\bin korean\b|한국어로"),
        ("english", r"\bin english\b|영어로"),
        ("hello", r"^\W*(hi|hello|hey|help)\b|^\W*(안녕|도움)|^\?+$"),
    )
)
_LANGUAGES = {"korean": "ko", "english": "en"}
TOOL_SUBJECTS = ("tools", "tool", "clock", "work")
_ERROR = re.compile(r"\berror\s+(\d{3})\b|(?:오류|에러)\s*(\d{3})", re.IGNORECASE)
_ERROR_KINDS = {
    400: "invalid",
    401: "auth",
    402: "billing",
    403: "auth",
    404: "not_found",
    413: "too_large",
    429: "rate_limit",
    529: "overloaded",
}


class DemoProvider:
    """Answers from a script. ``delay_ms`` between words and ``first_ms`` before the first are in milliseconds."""

    name = NAME

    def __init__(self, delay_ms: float = DELAY_MS, first_ms: float = FIRST_MS):
        self._delay_ms, self._first_ms = delay_ms, first_ms
        self._failed_once: set[str] = set()

    async def stream(self, request: TurnRequest) -> AsyncIterator[ProviderEvent]:
        """See ``Provider.stream``. Thinks aloud when the request has a thinking level or the text asks for it."""
        asked = demo_directives.last_user_text(request.messages)
        wishes = demo_directives.parse(asked)
        text = demo_directives.wish(asked)
        below = demo_directives.strip(asked)[len(text) :].strip()
        subject = _subject(text, below)
        delay_s = (
            demo_directives.number(wishes, "delay_ms", SLOW_DELAY_MS if subject == "slow" else self._delay_ms) / 1000
        )
        await asyncio.sleep(demo_directives.number(wishes, "first_ms", self._first_ms) / 1000)
        self._fail_if_asked(wishes, text, asked)
        begun = _begun(request)
        thinking = ""
        if subject == "thinking" or (request.thinking != "off" and not wishes):
            thinking = _t(request.locale, "demo.thinking.aloud")
            for word in _words(thinking):
                yield ThinkingDelta(word)
                await asyncio.sleep(delay_s)
        offered = {tool.name for tool in request.tools}
        if demo_notebook.is_asked(request.messages, offered, _WORK):
            step = demo_notebook.next_step(request.messages, request.locale)
            answer, calls = step.text, [_use(step.tool, step.arguments or {})] if step.tool else []
        elif results := tool_results(request.messages):
            answer, calls = _on_results(request.locale, results), []
        else:
            calls = _calls(wishes, subject, text, offered)
            answer = _scripted(wishes) or (
                _t(request.locale, "demo.tool.ask") if calls else _answer(request.locale, subject, below)
            )
        cut_after = int(demo_directives.number(wishes, "drop", -1))
        rest = answer[len(begun) :] if answer.startswith(begun) else answer
        for number, word in enumerate(_words(rest)):
            if number == cut_after:
                return
            yield TextDelta(word)
            await asyncio.sleep(delay_s)
        thought: list[dict[str, Any]] = [{"type": "thinking", "thinking": thinking}] if thinking else []
        stop, content = "tool_use" if calls else "end_turn", [*thought, {"type": "text", "text": answer}, *calls]
        yield Completed(
            stop,
            content,
            Usage(
                input=sum(estimate(str(m.get("content", ""))) for m in request.messages),
                output=estimate(answer) + estimate(thinking),
            ),
        )

    def _fail_if_asked(self, wishes: Mapping[str, str], text: str, asked: str) -> None:
        match = _ERROR.search(text)
        status = int(demo_directives.number(wishes, "error", int(match[1] or match[2]) if match else 0))
        once = int(demo_directives.number(wishes, "error_once", 0))
        if once and asked in self._failed_once:
            self._failed_once.discard(asked)
        elif once:
            self._failed_once.add(asked)
            status = once
        if status:
            raise ProviderError(
                _ERROR_KINDS.get(status, "server" if status >= 500 else "invalid"),
                "an error on request, from the demo",
                status=status,
                request_id="req_demo",
            )

    async def list_models(self) -> Sequence[ModelInfo]:
        return (
            ModelInfo(id=MODEL, name="Demo", provider=NAME, context_window=200_000, max_output=64_000, reasoning=True),
        )

    async def aclose(self) -> None:
        """Nothing to close."""


def _begun(request: TurnRequest) -> str:
    """The beginning of the reply, where the request ends with it."""
    last = request.messages[-1] if request.messages else {}
    return str(last["content"][0]["text"]) if last.get("role") == "assistant" else ""


def tool_results(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The tool results, if the newest message holds them."""
    last = messages[-1].get("content") if messages else None
    return [b for b in last if b.get("type") == "tool_result"] if isinstance(last, list) else []


def _calls(wishes: Mapping[str, str], subject: str, text: str, offered: set[str]) -> list[dict[str, Any]]:
    """The calls of tools that the script makes: those dictated, else those that the subject is about."""
    calculate = ("demo_calculate", {"expression": _expression(text) or "6 * 7"})
    clock: tuple[str, dict[str, Any]] = ("demo_clock", {})
    wanted = {"tools": [clock, calculate], "tool": [calculate], "clock": [clock]}.get(subject, [])
    if "tool" in wishes:
        wanted = [(wishes["tool"], {"expression": wishes["expression"]} if "expression" in wishes else {})]
    elif wishes:
        wanted = []
    return [_use(name, arguments) for name, arguments in wanted if name in offered or "tool" in wishes]


def _use(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{uuid.uuid4().hex}", "name": name, "input": arguments}


def _expression(text: str) -> str | None:
    """The first sum in a text: from a digit or bracket to another, with an operator between."""
    for found in _SUM.finditer(text):
        sum_ = found[0].lstrip(" \t\r\n.+*/%)-").rstrip(" \t\r\n.+*/%(-")
        if any(operator in sum_ for operator in "+*/%-"):
            return sum_
    return None


def _on_results(locale: str, results: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for result in results:
        said = "".join(block.get("text", "") for block in result["content"])
        if said == _t(locale, "tool.denied"):
            lines.append(_t(locale, "demo.tool.denied"))
        else:
            lines.append(_t(locale, "demo.tool.failed" if result.get("is_error") else "demo.tool.done", output=said))
    return "\n\n".join(lines)


def _subject(text: str, below: str) -> str:
    """The subject of the answer; ``below`` is what came with the person's own words."""
    found = next((name for name, pattern in _KEYWORDS if pattern.search(text)), None)
    return found or ("given" if below else "other")


def _scripted(wishes: Mapping[str, str]) -> str:
    """The answer that a test dictates, or ``""``."""
    if "text" in wishes:
        return wishes["text"]
    return "".join(f"t{i} " for i in range(int(demo_directives.number(wishes, "tokens", 0))))


def _answer(locale: str, subject: str, below: str) -> str:
    say: Callable[..., str] = _t
    if subject in _LANGUAGES:
        locale, subject = _LANGUAGES[subject], "hello"
    if subject == "long":
        sections = (say(locale, f"demo.long.{n % 3}") for n in range(LONG_SECTIONS))
        body = "\n\n".join(f"### {number}\n\n{section}" for number, section in enumerate(sections, 1))
        return say(locale, "demo.long.intro") + "\n\n" + body
    if subject in TOOL_SUBJECTS:  # and no tool is offered
        subject = "other"
    facts = {"lines": len(below.splitlines())} if subject == "given" else {}
    answer = say(locale, f"demo.{subject}", **facts)
    if subject in ("hello", "key", "other", "given"):
        answer += "\n\n" + say(locale, "demo.setup")
    if subject in ("hello", "other"):
        answer += "\n\n" + say(locale, "demo.try")
    return answer


def _words(text: str) -> list[str]:
    """The text in pieces that join to exactly it, a word each with the white space before it."""
    words = _WORD_END.split(text) if text else []
    if len(words) > 1 and words[-1].isspace():
        words[-2:] = ["".join(words[-2:])]
    return words
