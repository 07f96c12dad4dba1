"""Methods of Clawdbot that this gateway does not support, answered truthfully in the shape its clients read.

No channels, schedules, skills or speech; updates come from whatever installed the package.
"""

from __future__ import annotations

import sys
from typing import Any

from ..._version import __version__
from ...protocol.clock import now_ms
from ...protocol.schema import (
    ChannelsStatusParams,
    ChannelsStatusResult,
    CronListParams,
    CronListResult,
    CronStatusResult,
    NoParams,
    SkillsStatusResult,
    UpdateRunParams,
    VoicewakeResult,
)
from ..connections.connection import Connection
from ..registry import method
from ..services import Services


@method("channels.status")
async def channels_status(services: Services, caller: Connection, params: ChannelsStatusParams) -> ChannelsStatusResult:
    return ChannelsStatusResult(
        ts=now_ms(),
        channel_order=[],
        channel_labels={},
        channel_detail_labels={},
        channel_system_images={},
        channel_meta=[],
        channels={},
        channel_accounts={},
        channel_default_account_id={},
    )


@method("cron.status")
async def cron_status(services: Services, caller: Connection, params: NoParams) -> CronStatusResult:
    return CronStatusResult(enabled=False, store_path=str(services.config().home), jobs=0, next_wake_at_ms=None)


@method("cron.list")
async def cron_list(services: Services, caller: Connection, params: CronListParams) -> CronListResult:
    return CronListResult(jobs=[])


@method("skills.status")
async def skills_status(services: Services, caller: Connection, params: NoParams) -> SkillsStatusResult:
    home = str(services.config().home)
    return SkillsStatusResult(workspace_dir=home, managed_skills_dir=home, skills=[])


@method("skills.bins")
async def skills_bins(services: Services, caller: Connection, params: NoParams) -> dict[str, Any]:
    """Asked by nodes: programs that skills would have them run."""
    return {"bins": []}


@method("tts.status")
async def tts_status(services: Services, caller: Connection, params: NoParams) -> dict[str, Any]:
    return {
        "enabled": False,
        "auto": "off",
        "provider": None,
        "fallbackProvider": None,
        "fallbackProviders": [],
        "prefsPath": None,
        "hasOpenAIKey": False,
        "hasElevenLabsKey": False,
        "edgeEnabled": False,
    }


@method("voicewake.get")
async def voicewake_get(services: Services, caller: Connection, params: NoParams) -> VoicewakeResult:
    return VoicewakeResult(triggers=[])


@method("update.run")
async def update_run(services: Services, caller: Connection, params: UpdateRunParams) -> dict[str, Any]:
    """A server must not replace its own files while it runs; the answer says what does."""
    return {
        "ok": False,
        "restart": None,
        "result": {
            "status": "skipped",
            "mode": "pip",
            "reason": "not-updated-by-the-gateway",
            "steps": [],
            "durationMs": 0,
            "before": {"version": __version__},
            "command": f"{sys.executable} -m pip install --upgrade jupyter-clawdbot",
        },
    }
