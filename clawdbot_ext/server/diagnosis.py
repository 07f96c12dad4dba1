"""The checks of ``clawdbot doctor`` and ``clawdbot security audit`` on behalf of the gateway.

They run in a process of their own: they read much of the disk, and ask the gateway as a client does. It is told the
settings of the gateway's command line, which stand in no file.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..config import Config, handed_on, program_environment

SECONDS = 60.0
"""Longest time that the checks may take."""
_LEVELS = {"critical": "problem", "warn": "hint", "info": "info"}
_LANGUAGES = {"ko": "ko_KR.UTF-8"}


class Diagnosis:
    """The checks of the gateway with a configuration, made once for all who ask at the same time."""

    def __init__(self, config: Callable[[], Config]):
        self._config = config
        self._turn = asyncio.Lock()
        self._made: dict[str, tuple[float, Sequence[Mapping[str, Any]]]] = {}
        """The last findings by language, with the time at which their making began."""

    async def examine(self, locale: str) -> Sequence[Mapping[str, Any]]:
        """Return the findings in the language ``locale``, as ``gateway.checks`` has them; none began before the call.

        Raises:
            OSError, ValueError, asyncio.TimeoutError: the checks could not be made.
        """
        asked = time.monotonic()
        async with self._turn:  # each takes two processes and seconds of a core
            began, found = self._made.get(locale, (-1.0, ()))
            if began < asked:
                began = time.monotonic()
                found = await _examine(self._config(), locale)
                self._made[locale] = began, found
        return found


async def _examine(config: Config, locale: str) -> Sequence[Mapping[str, Any]]:
    doctor, audit = await asyncio.gather(
        _report(config, locale, "doctor", "--json"), _report(config, locale, "security", "audit", "--json")
    )
    found = [{"source": "doctor", **each} for each in doctor]
    known = {each["check"] for each in doctor}  # the doctor tells what of the audit is no matter of taste
    for each in audit:
        if each["checkId"] not in known:
            found.append(
                {
                    "source": "audit",
                    "check": each["checkId"],
                    "level": _LEVELS.get(each["severity"], "hint"),
                    "text": each["title"],
                    "fix": each["remediation"],
                }
            )
    return [{name: value for name, value in each.items() if value is not None} for each in found]


async def _report(config: Config, locale: str, *words: str) -> Sequence[Mapping[str, Any]]:
    environment = {
        **program_environment(),
        **handed_on(config),
        "LC_ALL": _LANGUAGES.get(locale, "C.UTF-8"),
        "CLAWDBOT_STATE_DIR": str(config.state),
    }
    # In a directory of ours: Python looks for modules where it is started.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "clawdbot_ext",
        *words,
        cwd=config.home,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    except (asyncio.TimeoutError, asyncio.CancelledError):
        process.kill()
        await process.wait()
        raise
    told = json.loads(output) if output.strip() else None
    findings = told.get("findings") if isinstance(told, dict) else None
    if not isinstance(findings, list):
        raise ValueError(f"clawdbot {' '.join(words)} told nothing")
    return findings
