"""Overhead of our agent over a raw SDK stream: to the first token, and to a reply of 200 tokens.

    python benchmarks/bench_agent.py [--rounds N]

A scripted Messages API runs in a process of its own on loopback. The raw SDK (its streaming helper, and its bare
events) and ours (``run_turn`` over ``AnthropicProvider``) take turns against it in one process, so that they share
whatever else the machine does. Also: a cold start, how long the event loop stands still while the SDK is imported, and
32 replies at once. About half a minute; prints medians against the budgets and exits 1 if one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from clawdbot_ext.agent.providers import sdk_import  # noqa: E402
from clawdbot_ext.agent.providers.base import Reply, TurnRequest  # noqa: E402
from clawdbot_ext.agent.turn import run_turn  # noqa: E402

now = time.perf_counter
MODEL = "claude-sonnet-5-5"
PROMPT = [{"role": "user", "content": "[[tokens=200]]"}]
PACED = [{"role": "user", "content": "[[tokens=100]][[delay_ms=10]]"}]
SESSIONS = 32
BUDGET_FIRST_MS, BUDGET_WHOLE_MS, BUDGET_CONCURRENCY = 10.0, 25.0, 1.4

Timing = tuple[float, float]
"""Seconds to the first text and to the end."""


async def api_process() -> tuple[Process, str]:
    """The scripted API, listening."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.messages_api", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 10)
    return process, line.decode().strip()


async def loop_lag(stop: asyncio.Event) -> float:
    """The longest time in seconds that the event loop stood still until ``stop``."""
    longest = 0.0
    while not stop.is_set():
        start = now()
        await asyncio.sleep(0.002)
        longest = max(longest, now() - start - 0.002)
    return longest


async def cold_start() -> tuple[float, float]:
    """Seconds to import the SDK in the thread, and the loop's longest pause meanwhile."""
    stop = asyncio.Event()
    lag = asyncio.create_task(loop_lag(stop))
    start = now()
    await sdk_import.warm()
    took = now() - start
    stop.set()
    return took, await lag


async def rounds(count: int, *ways: Callable[[], Awaitable[Timing]]) -> list[Timing]:
    """The medians of each way, which take turns."""
    seen: list[list[Timing]] = [[] for _ in ways]
    for _ in range(count):
        for timings, way in zip(seen, ways, strict=True):
            timings.append(await asyncio.wait_for(way(), 10))
    return [(median(t[0] for t in timings), median(t[1] for t in timings)) for timings in seen]


async def main(count: int) -> int:
    import_s, lag_s = await cold_start()
    import anthropic

    process, url = await api_process()
    sdk = anthropic.AsyncAnthropic(api_key="-", base_url=url, max_retries=0)
    ours = await sdk_import.build("anthropic", "-", url)

    async def helper() -> Timing:
        start, first = now(), 0.0
        async with sdk.messages.stream(model=MODEL, max_tokens=1000, messages=PROMPT) as stream:
            async for _ in stream.text_stream:
                first = first or now() - start
        return first, now() - start

    async def bare() -> Timing:
        start, first = now(), 0.0
        async with await sdk.messages.create(model=MODEL, max_tokens=1000, messages=PROMPT, stream=True) as stream:
            async for event in stream:
                if event.type == "content_block_delta":
                    first = first or now() - start
        return first, now() - start

    async def turn(messages: list[dict[str, str]] = PROMPT) -> Timing:
        start, firsts, reply = now(), [], Reply()
        request = TurnRequest(MODEL, "", messages, 1000)
        outcome = await run_turn(ours, request, reply, lambda _: firsts.append(now() - start) if not firsts else None)
        assert outcome.state == "done", outcome
        return firsts[0], now() - start

    async def paced_raw() -> Timing:
        start = now()
        async with sdk.messages.stream(model=MODEL, max_tokens=1000, messages=PACED) as stream:
            await stream.until_done()
        return 0.0, now() - start

    try:
        await rounds(3, helper, bare, turn)
        raw, events, own = await rounds(count, helper, bare, turn)
        alone = (await rounds(3, paced_raw))[0][1]
        start = now()
        await asyncio.wait_for(asyncio.gather(*(turn(PACED) for _ in range(SESSIONS))), 60)
        together = now() - start
    finally:
        await sdk.close()
        await ours.aclose()
        process.terminate()
        await asyncio.wait_for(process.wait(), 5)
    first, whole = (own[0] - raw[0]) * 1000, (own[1] - raw[1]) * 1000
    print(f"SDK import in a thread {import_s:.2f} s, event loop stood still at most {lag_s * 1000:.0f} ms")
    print(f"200 tokens, {count} rounds, median ms       first token      whole")
    for name, (to_first, to_end) in (
        ("raw SDK, messages.stream", raw),
        ("raw SDK, bare events", events),
        ("run_turn", own),
    ):
        print(f"  {name:38}{to_first * 1000:9.2f}{to_end * 1000:13.2f}")
    print(
        f"  {'overhead over messages.stream':38}{first:9.2f}{whole:13.2f}   "
        f"budget {BUDGET_FIRST_MS:.0f} / {BUDGET_WHOLE_MS:.0f}"
    )
    print(
        f"{SESSIONS} replies at once at 100 tokens/s: {together:.2f} s, one raw SDK stream alone {alone:.2f} s, "
        f"ratio {together / alone:.2f}   budget {BUDGET_CONCURRENCY}"
    )
    return int(first > BUDGET_FIRST_MS or whole > BUDGET_WHOLE_MS or together / alone > BUDGET_CONCURRENCY)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    sys.exit(asyncio.run(main(parser.parse_args().rounds)))
