"""The types of the settings: mypy knows each name that is written out, and the table and the types say the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clawdbot_ext import config
from clawdbot_ext.config import Config
from clawdbot_ext.config.live import LiveConfig
from clawdbot_ext.config.typed_settings import TypedSettings

ROOT = Path(__file__).resolve().parents[2]

READS = """
from typing import assert_type, Literal

from clawdbot_ext.config import Config
from clawdbot_ext.config.live import LiveConfig


def right(config: Config, live: LiveConfig, name: str) -> None:
    assert_type(config["gateway.port"], int)
    assert_type(live()["media.audio.command"], tuple[str, ...])
    assert_type(config["gateway.tls.enabled"], bool)
    assert_type(live()["gateway.auth.mode"], Literal["token", "password", "tailscale", "jupyter"])
    config.value(name).anything


def wrong(config: Config, live: LiveConfig, name: str) -> None:
    config["gateway.prot"]  # unknown
    live()["gateway.prot"]  # unknown
    port: str = config["gateway.port"]  # type
    command: list[int] = live()["media.audio.command"]  # type
    config["gateway.auth.mode"] == "pasword"  # choice
    config[name]  # only known at run time
"""


@pytest.mark.slow
def test_mypy_rejects_an_unknown_name_and_a_wrong_type(tmp_path: Path) -> None:
    planted = tmp_path / "reads.py"
    planted.write_text(READS)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--python-version=3.11", "--follow-imports=silent", str(planted)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    errors = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    wrong = {number for number, line in enumerate(READS.splitlines(), 1) if "  # " in line}
    assert errors == wrong, done.stdout + done.stderr


def test_a_name_is_looked_up_the_same_way_both_ways(tmp_path: Path) -> None:
    live = LiveConfig(lambda: config.load({"CLAWDBOT_STATE_DIR": str(tmp_path)}))
    assert live()["gateway.port"] == live().value("gateway.port") == 18789
    with pytest.raises(KeyError, match=r"gateway\.port"):
        live().value("gateway.prot")


def test_the_lookup_of_the_types_is_the_one_of_the_configuration() -> None:
    assert Config.__getitem__ is TypedSettings.__getitem__
