"""Every run leaves a line at its start, at each retry and at its end, and none has what was said in it."""

from __future__ import annotations

import json

from tests.support.http import ask
from tests.support.wire import run, wired


def test_runs_are_logged_and_counted(make_gateway, messages_api):
    gateway = make_gateway(env={"ANTHROPIC_API_KEY": "sk-right", "ANTHROPIC_BASE_URL": messages_api.url})

    async def main() -> list[str]:
        async with wired(gateway.ws_url, gateway.token) as wire:
            said = ("a word of mine [[tokens=3]]", "[[error_once=529]][[tokens=3]]", "[[error=401]]", "[[drop=2]]")
            return [(await wire.ask(text))["runId"] for text in said]

    good, retried, refused, cut = run(main())
    lines = [json.loads(line)["1"] for line in (gateway.home / "logs" / "gateway.log").read_text().splitlines()]
    of = {run_id: [line for line in lines if line.startswith(f"run {run_id} of ")] for run_id in (good, retried)}
    assert of[good][0].endswith("of agent:main:main: started")
    assert len(of[good]) == 2 and "done; anthropic/claude-sonnet-5-5; " in of[good][-1] and "3 written" in of[good][-1]
    assert len(of[retried]) == 3 and "failed (overloaded), try 2 of " in of[retried][1]
    (end,) = (line for line in lines if line.startswith(f"run {refused} ") and "started" not in line)
    assert "failed (auth: 401" in end
    assert any(line.startswith(f"run {cut} ") and "interrupted (cut" in line for line in lines)
    assert not any("a word of mine" in line for line in lines)

    assert ask(gateway.port, path="/metrics").status == 403
    told = ask(gateway.port, path="/metrics", headers=[("Authorization", f"Bearer {gateway.token}")])
    figures = dict(line.rsplit(" ", 1) for line in told.body.decode().splitlines() if line.startswith("clawdbot_"))
    assert told.status == 200 and figures['clawdbot_runs_ended_total{state="done"}'] == "2.0"
    assert figures['clawdbot_provider_retries_total{reason="overloaded"}'] == "1.0"
    assert figures['clawdbot_runs{state="running"}'] == "0.0" and figures["clawdbot_storage_ok"] == "1.0"
    assert float(figures["clawdbot_commit_seconds_count"]) > 4
    assert float(figures["clawdbot_first_token_seconds_count"]) == 3
    assert figures['clawdbot_commit_seconds_bucket{le="+Inf"}'] == figures["clawdbot_commit_seconds_count"]
