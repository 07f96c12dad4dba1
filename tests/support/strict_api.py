"""A Messages API on loopback that refuses what the real one refuses, counts tokens and has a prompt cache.

``messages_api`` behaves badly on request; this one is exact (``strict_rules``): signatures of thinking blocks are bound
to model, system, tools and every message before, and the usage of a reply says what was read from the cache. In a
test::

    with StrictAPI() as api:
        ...  # a provider or a gateway with api.url
        assert api.refusals == []

The scripted model obeys ``api.brain(body)``, if that is set, else directives in the newest text of a person. The text
of ``wants(...)`` and other directives can be joined:

===========================  ===========================================================================================
``[[tool=NAME {json}]]``     call this tool; ``>>`` parts the steps (``[[tool=a {}>>b {}]]``), several directives make
                             parallel calls; after the last step it answers with text
``[[think=TEXT]]``           think first, at each step
``[[text=TEXT]]``            the answer; ``[[tokens=N]]`` one of N words; else ``Done.`` or ``You said: …``
``[[stop=REASON]]``          of the last step; ``pause_turn`` pauses a web search, which goes on when it is sent back
``[[error=STATUS]]``         answer with an error
``[[bad=CASE]]``             a stream that is odd or broken: see ``BAD``
``[[times=N]]``              the two above only for the first N requests with this text
``[[delay_ms=N]]``           between the events of the answer; ``[[first_ms=N]]`` before its first block, with pings
===========================  ===========================================================================================

Tools that a request does not offer are not called. By hand: ``python -m tests.support.strict_api 9911``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from tests.support.loopback_server import LoopbackServer
from tests.support.strict_rules import MODELS, CacheUse, PromptCache, Refused, check, content_of, divergence, sign

BAD = {
    "unknown": "an event and a block of unknown types",
    "redacted": "thinking that is redacted",
    "emptythink": "thinking without a word, signed",
    "search": "a web search with its result, then text that cites it",
    "splitjson": "arguments in pieces of three characters",
    "badjson": "arguments that are no JSON",
    "err_mid": "an error event after the first words",
    "cut": "the connection ends after the first words",
    "malformed": "an event that is no JSON, before any output",
    "json": "a whole message as JSON instead of an event stream",
    "nousage": "no usage anywhere",
}
PING_S = 0.05
_OPEN = re.compile(r"\[\[([a-z_]{1,20})(=|\]\])")
_NAME = re.compile(r"\s*([a-zA-Z0-9_.-]*)\s*")
_decode = json.JSONDecoder().raw_decode


@dataclass(frozen=True)
class Call:
    """A tool call that the scripted model makes."""

    name: str
    input: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Says:
    """One reply of the scripted model."""

    text: str = ""
    calls: Sequence[Call] = ()
    think: str = ""
    stop: str = ""
    bad: str = ""


@dataclass(frozen=True)
class Seen:
    """A request: its body, what the cache did, and the error it was answered with, if any."""

    body: Mapping[str, Any]
    use: CacheUse
    error: str = ""


def call(name: str, **arguments: Any) -> Call:
    return Call(name, arguments)


def wants(*steps: Call) -> str:
    """The directive for one call at each step."""
    return "[[tool=" + ">>".join(f"{step.name} {json.dumps(step.input)}" for step in steps) + "]]"


class StrictAPI(LoopbackServer):
    """The server. Attributes may be changed while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.brain: Callable[[Mapping[str, Any]], Says] | None = None
        self.seen: list[Seen] = []
        self.cache = PromptCache()
        self.times: Counter[str] = Counter()

    @property
    def bodies(self) -> list[Mapping[str, Any]]:
        return [seen.body for seen in self.seen]

    @property
    def refusals(self) -> list[str]:
        """The errors of requests that broke a rule."""
        return [seen.error for seen in self.seen if seen.error]

    @property
    def turns(self) -> list[Seen]:
        """The requests that are turns of a conversation: no title, no summary."""
        return [seen for seen in self.seen if not is_side_request(seen.body)]

    def divergences(self) -> list[str]:
        """Turns whose prompt is not the beginning of the next one's; empty: append-only all along."""
        bodies = [seen.body for seen in self.turns]
        return [found for old, new in itertools.pairwise(bodies) if (found := divergence(old, new))]

    def routes(self) -> list[Any]:
        return [(r"/v1/messages", _Messages, {"api": self}), (r"/v1/models", _Models)]


# -- what the scripted model says -------------------------------------------------------------------------------------
def is_side_request(body: Mapping[str, Any]) -> bool:
    """Whether it is about a conversation (a title, a summary) instead of being its next turn."""
    first = _text(body["messages"][0])
    return not body.get("tools") and len(body["messages"]) == 1 and first.startswith(("<person>", "<user>"))


def _text(message: Mapping[str, Any]) -> str:
    return "\n".join(block["text"] for block in content_of(message) if block["type"] == "text")


def directives(text: str) -> dict[str, list[str]]:
    """The values of each directive, in order. JSON in a ``tool`` directive may contain brackets."""
    found: dict[str, list[str]] = {}
    at = 0
    while begun := _OPEN.search(text, at):
        at, value = begun.end(), "1"
        if begun[2] == "=":
            end = _end_of_calls(text, at) if begun[1] == "tool" else text.find("]]", at)
            if end < 0:
                break
            value, at = text[at:end], end + 2
        found.setdefault(begun[1], []).append(value)
    return found


def _end_of_calls(text: str, at: int) -> int:
    """The end of a ``tool`` directive's value that begins at ``at``; -1 where it has none."""
    while True:
        name = _NAME.match(text, at)
        at = name.end() if name else at
        if text[at : at + 1] == "{":
            try:
                _, at = _decode(text, at)
            except ValueError:
                return text.find("]]", at)
        following = re.match(r"\s*(>>|\]\])", text[at:])
        if following is None:
            return text.find("]]", at)
        if following[1] == "]]":
            return at
        at += following.end()


def calls_of(value: str) -> list[Call | None]:
    """The calls of a ``tool`` directive, one a step; ``None`` for a step in which it makes none."""
    calls: list[Call | None] = []
    at = 0
    while at <= len(value):
        name = _NAME.match(value, at)
        at = name.end() if name else at
        arguments: Mapping[str, Any] = {}
        if value[at : at + 1] == "{":
            arguments, at = _decode(value, at)
        calls.append(Call(name[1], arguments) if name and name[1] else None)
        following = value.find(">>", at)
        at = following + 2 if following >= 0 else len(value) + 1
    return calls


def obey(body: Mapping[str, Any]) -> tuple[Says, str]:
    """The reply that the directives ask for, and the text they stand in."""
    steps, text = 0, ""
    for message in reversed(body["messages"]):
        if message["role"] != "user":
            continue
        said, results = _text(message), any(b["type"] == "tool_result" for b in content_of(message))
        if not results or "[[" in said:
            text = said
            break
        steps += 1
    if is_side_request(body):
        return Says("Scripted title and summary"), text
    wishes = directives(text)
    offered = {tool["name"] for tool in body.get("tools") or ()}
    plans = [calls_of(value) for value in wishes.get("tool", ())]
    calls = [made for plan in plans if len(plan) > steps and (made := plan[steps]) and made.name in offered]
    more = bool(calls) or any(len(plan) > steps + 1 for plan in plans)
    answer = " ".join(f"w{n}" for n in range(int(_one(wishes, "tokens", "0")))) or _one(wishes, "text", "")
    plain = re.sub(r"\[\[.*?\]\]", "", text, flags=re.S).strip()
    answer = "Let me see. " if more else answer or ("Done." if steps else f"You said: {plain}")
    return Says(
        answer,
        calls,
        _one(wishes, "think", ""),
        "" if more else _one(wishes, "stop", ""),
        _one(wishes, "bad", ""),
    ), text


def _one(wishes: Mapping[str, Sequence[str]], name: str, default: str) -> str:
    return wishes[name][-1] if name in wishes else default


# -- HTTP -------------------------------------------------------------------------------------------------------------
class _Models(RequestHandler):
    def get(self) -> None:
        rows = [
            {
                "type": "model",
                "id": name,
                "display_name": name,
                "lifecycle": "active",
                "created_at": "2026-01-01T00:00:00Z",
                "max_input_tokens": model.window,
                "max_tokens": model.max_output,
                "capabilities": {
                    "image_input": {"supported": model.vision},
                    "thinking": {"supported": True, "types": {kind: {"supported": True} for kind in model.thinking}},
                },
            }
            for name, model in MODELS.items()
        ]
        self.finish({"data": rows, "has_more": False, "first_id": rows[0]["id"], "last_id": rows[-1]["id"]})


class _Messages(RequestHandler):
    def initialize(self, api: StrictAPI) -> None:
        self.api = api

    async def post(self) -> None:
        body = json.loads(self.request.body)
        self.set_header("request-id", f"req_strict_{len(self.api.seen)}")
        try:
            check(body, len(self.request.body))
            use = self.api.cache.use(body)
        except Refused as exc:
            self.api.seen.append(Seen(body, CacheUse(0, 0, 0), exc.message))
            return self.fail(exc.status, exc.kind, exc.message)
        self.api.seen.append(Seen(body, use))
        says, text = (self.api.brain(body), "") if self.api.brain else obey(body)
        wishes = directives(text)
        self.api.times[text] += 1
        troubled = self.api.times[text] <= int(_one(wishes, "times", "1000000"))
        if troubled and "error" in wishes and not is_side_request(body):
            return self.fail(int(wishes["error"][-1]), "api_error", "scripted error")
        stream = _Stream(self, body, use, says, says.bad if troubled else "")
        stream.delay_s, stream.first_s = (int(_one(wishes, name, "0")) / 1000 for name in ("delay_ms", "first_ms"))
        with contextlib.suppress(StreamClosedError):  # the client went away, as a stopped one does
            await stream.write()
        return None

    def fail(self, status: int, kind: str, message: str) -> None:
        self.set_status(status, "Scripted")
        self.finish({"type": "error", "error": {"type": kind, "message": message}})


class _Cut(Exception):
    """The rest of a stream is not sent."""


class _Stream:
    """One answer, as server-sent events."""

    delay_s = first_s = 0.0

    def __init__(self, handler: _Messages, body: Mapping[str, Any], use: CacheUse, says: Says, bad: str) -> None:
        self._handler, self._body, self._use, self._says, self._bad = handler, body, use, says, bad
        self._index = 0
        self._usage: dict[str, int] = {
            "input_tokens": use.fresh,
            "cache_creation_input_tokens": use.written,
            "cache_read_input_tokens": use.read,
            "output_tokens": 1,
        }

    async def write(self) -> None:
        if self._bad == "json":
            return await self._whole_message()
        self._handler.set_header("Content-Type", "text/event-stream; charset=utf-8")
        start = {"id": "msg_strict", "type": "message", "role": "assistant", "model": self._body["model"]}
        usage = {} if self._bad == "nousage" else self._usage
        await self._event("message_start", message={**start, "content": [], "stop_reason": None, "usage": usage})
        waited = 0.0
        while waited < self.first_s:
            await self._event("ping")
            await asyncio.sleep(PING_S)
            waited += PING_S
        if self._bad == "malformed":
            self._handler.write(b'event: content_block_start\ndata: {"type": "content_bl\n\n')
            return await self._handler.finish()
        try:
            async for start_block, deltas in self._blocks():
                await self._block(start_block, deltas)
        except _Cut:
            return None
        await self._end()
        return await self._handler.finish()

    async def _whole_message(self) -> None:
        await self._handler.finish(
            {
                "id": "msg_strict",
                "type": "message",
                "role": "assistant",
                "model": self._body["model"],
                "content": [{"type": "text", "text": self._says.text}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {**self._usage, "output_tokens": 3},
            }
        )

    async def _blocks(self) -> AsyncIterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """The blocks of the answer: how each starts, and its deltas."""
        says, bad = self._says, self._bad
        last = self._body["messages"][-1]
        resumed = last["role"] == "assistant" and any(b["type"] == "server_tool_use" for b in content_of(last))
        if bad == "unknown":
            await self._event("some_new_event", foo=1)
            yield {"type": "hologram", "x": 1}, [{"type": "hologram_delta", "y": 2}]
        if says.think or bad == "emptythink":
            signature = sign(self._body, len(self._body["messages"]), says.think)
            words = [{"type": "thinking_delta", "thinking": word} for word in re.findall(r"\S*\s*", says.think) if word]
            yield (
                {"type": "thinking", "thinking": "", "signature": ""},
                [*words, {"type": "signature_delta", "signature": signature}],
            )
        if bad == "redacted":
            yield {"type": "redacted_thinking", "data": "opaque"}, []
        if bad == "search" or (says.stop == "pause_turn" and not resumed):
            use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
            parts = ['{"query":', ' "x"}']
            yield use, [{"type": "input_json_delta", "partial_json": part} for part in parts]
        if says.stop == "pause_turn" and not resumed:
            return
        if bad == "search" or resumed:
            yield _SEARCH_RESULT, []
        words = [{"type": "text_delta", "text": word} for word in re.findall(r"\S*\s*", says.text) if word]
        if bad == "search" or resumed:
            words.append({"type": "citations_delta", "citation": _CITATION})
        if words:
            yield {"type": "text", "text": ""}, words
        for number, made in enumerate(says.calls):
            arguments = json.dumps(made.input, ensure_ascii=False)
            size = 3 if bad == "splitjson" else len(arguments)
            pieces = [arguments[n : n + size] for n in range(0, len(arguments), size)]
            if bad == "badjson":
                pieces = [arguments[:-1]]
            id_ = f"toolu_{len(self._handler.api.seen)}_{number}"
            use = {"type": "tool_use", "id": id_, "name": made.name, "input": {}}
            yield use, [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces]]

    async def _block(self, start: Mapping[str, Any], deltas: Sequence[Mapping[str, Any]]) -> None:
        await self._event("content_block_start", index=self._index, content_block=start)
        for delta in deltas:
            await self._event("content_block_delta", index=self._index, delta=delta)
            if start["type"] == "text" and self._bad in ("cut", "err_mid"):
                if self._bad == "err_mid":
                    await self._event("error", error={"type": "overloaded_error", "message": "Overloaded"})
                    await self._handler.finish()
                else:
                    self._handler.detach().close()
                raise _Cut
        await self._event("content_block_stop", index=self._index)
        self._index += 1

    async def _end(self) -> None:
        says = self._says
        stop = says.stop or ("tool_use" if says.calls else "end_turn")
        if stop == "pause_turn" and self._index != 1 + bool(says.think):
            stop = "end_turn"
        delta: dict[str, Any] = {"stop_reason": stop, "stop_sequence": None}
        if stop == "refusal":
            explanation = "This may enable cyber harm."
            delta["stop_details"] = {"type": "refusal", "category": "cyber", "explanation": explanation}
        written = len(says.text.split()) + 20 * len(says.calls) + len(says.think.split())
        usage = {} if self._bad == "nousage" else {"output_tokens": 1 + written}
        await self._event("message_delta", delta=delta, usage=usage)
        await self._event("message_stop")

    async def _event(self, kind: str, **data: Any) -> None:
        event = json.dumps({"type": kind, **data}, ensure_ascii=False)
        self._handler.write(f"event: {kind}\ndata: {event}\n\n".encode())
        await self._handler.flush()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)


_SEARCH_RESULT: dict[str, Any] = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [
        {
            "type": "web_search_result",
            "url": "https://example.org/x",
            "title": "About x",
            "encrypted_content": "opaque",
            "page_age": None,
        }
    ],
}
_CITATION: dict[str, Any] = {
    "type": "web_search_result_location",
    "url": "https://example.org/x",
    "title": "About x",
    "encrypted_index": "opaque",
    "cited_text": "x is",
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A strict scripted Messages API on loopback.")
    parser.add_argument("port", type=int, nargs="?", default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(StrictAPI().serve(parser.parse_args().port, lambda url: print(url, flush=True)))  # noqa: T201
