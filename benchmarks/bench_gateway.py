"""The gateway against its budgets: overhead, acknowledgement, history, concurrency, bytes on the wire.

    python benchmarks/bench_gateway.py [--json FILE]

Starts a scripted Messages API and a real gateway, each a process of its own, on loopback with a temporary state
directory; measures the raw ``anthropic`` SDK against the same API in the same run, so that ratios mean something on a
busy machine. Every loop is bounded; the whole takes about a minute. Figures of the real product (npm
``clawdbot@2026.1.24-3``, 2 cores) stand beside as they were measured once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from clawdbot_ext.store.sqlite import open_store  # noqa: E402
from tests.support.server import GatewayProcess, free_port  # noqa: E402
from tests.support.wire import Wire, wired  # noqa: E402

now = time.perf_counter
APPEND = ("chat.append", "session.events")


def ms(values: list[float]) -> float:
    return round(statistics.median(values) * 1000, 2)


async def seed(home: Path, sessions: int, messages: int) -> None:
    """Fill the store before the gateway starts: many small sessions, one long one."""
    store = open_store(home / "gateway.sqlite3")
    await store.open()
    stamp = int(time.time() * 1000) - 10_000_000
    for i in range(sessions):
        await store.append(
            session_key=f"agent:main:s{i}",
            now=stamp + i,
            create=True,
            message={"role": "user", "content": [{"type": "text", "text": f"question {i}"}], "timestamp": stamp + i},
        )
    batch = [
        store.append(
            session_key="agent:main:long",
            now=stamp + i,
            create=True,
            message={
                "role": "assistant" if i % 2 else "user",
                "timestamp": stamp + i,
                "content": [{"type": "text", "text": f"message {i} " + "lorem ipsum dolor sit amet " * 12}],
            },
        )
        for i in range(messages)
    ]
    for i in range(0, len(batch), 500):
        await asyncio.gather(*batch[i : i + 500])
    await store.close()


async def raw_sdk(api: str, text: str) -> tuple[float, float]:
    """Seconds to the first text delta and to the end of one reply, SDK straight to the API."""
    import anthropic

    client = RAW.setdefault(api, anthropic.AsyncAnthropic(api_key="x", base_url=api, max_retries=0))
    t0, first = now(), 0.0
    async with client.messages.stream(
        model="claude-sonnet-5-5", max_tokens=4096, messages=[{"role": "user", "content": text}]
    ) as stream:
        async for _ in stream.text_stream:
            first = first or now() - t0
    return first, now() - t0


RAW: dict[str, Any] = {}


async def reply(wire: Wire, text: str, key: str) -> dict[str, float]:
    """Seconds to acknowledgement, first delta and end of one reply through the gateway, and bytes received."""
    run_id, bytes0, seen = uuid.uuid4().hex, wire.bytes_in, {}
    ended = asyncio.get_running_loop().create_future()

    def tap(frame: dict[str, Any]) -> None:
        payload = frame["payload"]
        if frame["event"] == "chat" and payload["runId"] == run_id:
            seen.setdefault("first" if payload["state"] == "delta" else "end", now())
            if payload["state"] != "delta" and not ended.done():
                ended.set_result(payload["state"])

    wire.taps.append(tap)
    t0 = now()
    await wire.send(text, key=key, run_id=run_id)
    ack = now() - t0
    state = await asyncio.wait_for(ended, 60)
    wire.taps.remove(tap)
    if state != "final":
        raise RuntimeError(f"a run ended as {state}")
    await wire.call("chat.abort", {"sessionKey": "unknown"})  # what trails the end has arrived when this is answered
    return {"ack": ack, "first": seen.get("first", t0) - t0, "end": seen["end"] - t0, "bytes": wire.bytes_in - bytes0}


async def overhead(wire: Wire, api: str) -> dict[str, Any]:
    text = "[[tokens=200]]"
    await raw_sdk(api, text)
    await reply(wire, text, "warm")
    raw, ours = [], []
    for _ in range(20):
        raw.append(await raw_sdk(api, text))
        ours.append(await reply(wire, text, "over"))
    return {
        "raw first ms": ms([r[0] for r in raw]),
        "raw end ms": ms([r[1] for r in raw]),
        "gateway first ms": ms([o["first"] for o in ours]),
        "gateway end ms": ms([o["end"] for o in ours]),
        "overhead first ms (budget 10, real 40)": round(ms([o["first"] for o in ours]) - ms([r[0] for r in raw]), 2),
        "overhead end ms (budget 25, real 60)": round(ms([o["end"] for o in ours]) - ms([r[1] for r in raw]), 2),
        "ack p50 ms, 1,000 sessions stored (budget 5, real 92)": ms([o["ack"] for o in ours]),
    }


async def history(wire: Wire) -> dict[str, Any]:
    times = []
    for _ in range(40):
        t0 = now()
        await wire.call("chat.history", {"sessionKey": "long", "limit": 200})
        times.append(now() - t0)
    return {"history 200 of 10,000 p50 ms (budget 5, real 42)": ms(times)}


async def concurrency(url: str, token: str, api: str) -> dict[str, Any]:
    text = "[[tokens=100]] [[delay_ms=10]]"
    alone = [(await raw_sdk(api, text))[1] for _ in range(3)]
    t0 = now()
    await asyncio.gather(*(raw_sdk(api, text) for _ in range(32)))
    raw_32 = now() - t0
    totals, burst, during = [], [], []
    for _ in range(3):
        async with wired(url, token, caps=APPEND) as wire:
            t0 = now()
            results = await asyncio.gather(*(reply(wire, text, f"k{i}") for i in range(32)))
            totals.append(now() - t0)
            burst.append(statistics.median(r["ack"] for r in results))
            streams = [asyncio.ensure_future(reply(wire, text, f"k{i}")) for i in range(31)]
            async with wired(url, token, caps=APPEND) as other:
                during += [(await reply(other, "[[tokens=1]]", "other"))["ack"] for _ in range(10)]
            await asyncio.gather(*streams)
    base = statistics.median(alone)
    return {
        "one raw SDK stream s": round(base, 3),
        "32 raw SDK streams, ratio": round(raw_32 / base, 2),
        "32 sessions, ratio (budget 1.4, real 8-12)": round(statistics.median(totals) / base, 2),
        "ack p50 ms of 32 sends at the same moment": ms(burst),
        "ack p50 ms while 31 sessions stream (budget 10)": ms(during),
    }


async def wire_bytes(url: str, token: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for tokens, append_budget, real in ((2000, 8, 1028), (200, 12, 158)):
        for caps, label, budget in ((APPEND, "chat.append", append_budget), ((), "cumulative", 60)):
            async with wired(url, token, caps=caps) as wire:
                await reply(wire, "[[tokens=5]]", f"b{tokens}{label}")  # the session exists, as in a conversation
                await asyncio.sleep(0.5)  # and the news that this client has come is out
                result = await reply(wire, f"[[tokens={tokens}]] [[delay_ms=5]]", f"b{tokens}{label}")
                text = len(" ".join(f"t{i}" for i in range(tokens))) + 1
                name = f"bytes / text, {text} B, {label} (budget {budget}, real {real})"
                out[name] = round(result["bytes"] / text, 1)
    return out


async def measure(api: str, server: GatewayProcess) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    async with wired(server.ws_url, server.token, caps=APPEND) as wire:
        figures |= await overhead(wire, api)
        figures |= await history(wire)
    figures |= await concurrency(server.ws_url, server.token, api)
    figures |= await wire_bytes(server.ws_url, server.token)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    api = subprocess.Popen([sys.executable, "-m", "tests.support.messages_api", str(port)], cwd=ROOT, env=environment)
    try:
        with tempfile.TemporaryDirectory() as state:
            server = GatewayProcess(
                Path(state), env={"ANTHROPIC_API_KEY": "sk-bench", "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}"}
            )
            (Path(state) / "jupyter").mkdir(mode=0o700)
            asyncio.run(seed(Path(state) / "jupyter", sessions=1000, messages=10_000))
            server.start()
            try:
                figures = asyncio.run(asyncio.wait_for(measure(f"http://127.0.0.1:{port}", server), 300))
            finally:
                server.terminate()
    finally:
        api.terminate()
    for name, value in figures.items():
        print(f"{name:70} {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
