"""Shapes of the empty answers to methods of Clawdbot that this gateway does not support.

No channels, no scheduled jobs, no skills, no speech, no updating of itself. Everything else that they may ask for and
that is in no table is an unknown method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta

from .base import SCOPE_ADMIN, SCOPE_READ, AnyResult, Method, Ms, NoParams, Params, Result, Rows


class ChannelsStatusParams(Params):
    probe: bool | None = None
    timeout_ms: Ms | None = None


class CronListParams(Params):
    include_disabled: bool | None = None


class UpdateRunParams(Params):
    session_key: Annotated[str, Meta(max_length=512)] | None = None
    note: Annotated[str, Meta(max_length=4096)] | None = None
    restart_delay_ms: Ms | None = None
    timeout_ms: Ms | None = None


class ChannelsStatusResult(Result):
    ts: int
    channel_order: Sequence[str]
    channel_labels: Mapping[str, str]
    channel_detail_labels: Mapping[str, str]
    channel_system_images: Mapping[str, str]
    channel_meta: Sequence[Mapping[str, Any]]
    channels: Mapping[str, Any]
    channel_accounts: Mapping[str, Any]
    channel_default_account_id: Mapping[str, str]


class CronStatusResult(Result):
    enabled: bool
    store_path: str
    jobs: int
    next_wake_at_ms: int | None


class CronListResult(Result):
    jobs: Sequence[Mapping[str, Any]]


class SkillsStatusResult(Result):
    workspace_dir: str
    managed_skills_dir: str
    skills: Sequence[Mapping[str, Any]]


class VoicewakeResult(Result):
    triggers: Sequence[str]


ROWS: Rows = (
    Method("channels.status", ChannelsStatusParams, ChannelsStatusResult, SCOPE_READ, "Chat channels: none."),
    Method("cron.status", NoParams, CronStatusResult, SCOPE_READ, "The scheduler: there is none."),
    Method("cron.list", CronListParams, CronListResult, SCOPE_READ, "Scheduled jobs: none."),
    Method("skills.status", NoParams, SkillsStatusResult, SCOPE_READ, "Skills: none."),
    Method("tts.status", NoParams, AnyResult, SCOPE_READ, "Speech: disabled."),
    Method("voicewake.get", NoParams, VoicewakeResult, SCOPE_READ, "Wake words: none."),
    Method(
        "update.run",
        UpdateRunParams,
        AnyResult,
        SCOPE_ADMIN,
        "Nothing: this package is updated by whatever installed it; says how.",
    ),
)
