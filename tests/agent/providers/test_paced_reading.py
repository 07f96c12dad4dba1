"""A fast stream is read at a bounded pace, a slow one and the first reads at once."""

from __future__ import annotations

from clawdbot_ext.agent.providers.anthropic import AnthropicProvider
from clawdbot_ext.agent.providers.paced_reading import INTERVAL_S, UNPACED_READS, PacedReads
from tests.support.aio import run
from tests.support.messages_api import MessagesAPI
from tests.support.turns import request


class Stream:
    """A network stream whose reads take no time, with a clock that only waiting moves."""

    def __init__(self) -> None:
        self.now, self.waits = 0.0, list[float]()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return f"{max_bytes} {timeout}".encode()

    async def sleep(self, seconds: float) -> None:
        self.waits.append(round(seconds, 6))
        self.now += seconds

    def paced(self) -> PacedReads:
        return PacedReads(self, lambda: self.now, self.sleep)


def test_after_the_first_reads_one_follows_the_other_at_the_pace() -> None:
    async def main() -> None:
        stream = Stream()
        stream.paced()
        for _ in range(UNPACED_READS):
            assert await stream.read(5, 1.0) == b"5 1.0"
        assert stream.waits == []
        for _ in range(3):
            await stream.read(5)
        assert stream.waits == [INTERVAL_S] * 3
        stream.now += INTERVAL_S / 4
        await stream.read(5)
        assert stream.waits[3:] == [INTERVAL_S * 3 / 4]

    run(main())


def test_a_stream_slower_than_the_pace_is_never_held_back() -> None:
    async def main() -> None:
        stream = Stream()
        stream.paced()
        for _ in range(3 * UNPACED_READS):
            await stream.read(5)
            stream.now += INTERVAL_S
        assert stream.waits == []

    run(main())


def test_a_connection_that_is_used_again_is_paced_by_its_newest_answer_alone() -> None:
    async def main() -> None:
        stream = Stream()
        first, second = stream.paced(), stream.paced()
        first.end()
        assert stream.read is second
        second.end()
        for _ in range(3 * UNPACED_READS):
            await stream.read(5)
        assert stream.waits == []

    run(main())


def test_a_real_stream_arrives_whole_over_one_connection(api: MessagesAPI) -> None:
    async def main() -> None:
        provider = AnthropicProvider("anthropic", "key", api.url)
        for _ in range(2):
            deltas = [e async for e in provider.stream(request("[[tokens=120]] [[delay_ms=1]]")) if hasattr(e, "text")]
            assert "".join(each.text for each in deltas) == "".join(f"t{n} " for n in range(120))
        assert len({logged.peer for logged in api.requests}) == 1
        await provider.aclose()

    run(main())
