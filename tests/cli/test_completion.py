"""``clawdbot completion``: scripts for three shells, and what they are answered with."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.conftest import TIMEOUT_S, Run
from tests.support.server import GatewayProcess


def completed(environment: dict[str, str], words: str) -> list[str]:
    """The completions of the last word, as bash is told them."""
    done = subprocess.run(
        [sys.executable, "-m", "clawdbot_ext"],
        env={
            **environment,
            "_CLAWDBOT_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(alone: Run, shell: str) -> None:
    done = alone("completion", shell)
    assert done.returncode == 0 and f"_CLAWDBOT_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.slow
def test_settings_and_their_values_are_completed_without_a_gateway(own: dict[str, str]) -> None:
    assert completed(own, "clawdbot config set gateway.tailscale.m") == ["gateway.tailscale.mode"]
    assert completed(own, "clawdbot config set gateway.tailscale.mode ") == ["off", "serve", "funnel"]
    assert completed(own, "clawdbot agent --session ") == [], "no gateway: nothing, and no word about it"
    assert completed(own, "clawdbot comp") == ["completion"]


@pytest.mark.slow
def test_keys_and_models_are_completed_from_the_gateway(gateway: GatewayProcess, cli: Run) -> None:
    for key in ("notes", "novel"):
        assert cli("sessions", "new", key).returncode == 0
    assert sorted(completed(gateway.environment, "clawdbot agent --session no")) == ["notes", "novel"]
    assert completed(gateway.environment, "clawdbot sessions show note") == ["notes"]
    assert completed(gateway.environment, "clawdbot models set demo/") == ["demo/demo"]
