"""The system prompt tells where the assistant is, and stays the same from turn to turn."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from clawdbot_ext.agent.context.system_prompt import Environment, system_prompt

KST = timezone(timedelta(hours=9), "KST")
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=KST)
LAB = Environment(host="lab-7", system="Linux 6.1 (x86_64)", python="3.12.1", server_root="/srv/notebooks")


def test_it_names_date_zone_host_and_notebook_root() -> None:
    prompt = system_prompt(environment=LAB, now=NOON)
    for fact in ("Sunday, 2026-11-22", "KST (UTC+09:00)", "lab-7", "Linux 6.1", "3.12.1", "/srv/notebooks"):
        assert fact in prompt


def test_it_is_the_same_all_day_so_that_the_prompt_cache_holds() -> None:
    assert system_prompt(environment=LAB, now=NOON) == system_prompt(environment=LAB, now=NOON + timedelta(hours=11))
    assert system_prompt(environment=LAB, now=NOON) != system_prompt(environment=LAB, now=NOON + timedelta(days=1))


def test_the_sessions_own_prompt_has_the_last_word() -> None:
    prompt = system_prompt("Use metric units.", "Answer in verse.", environment=LAB, now=NOON)
    assert prompt.endswith("Use metric units.\n\nAnswer in verse.")
    assert system_prompt("  ", None, environment=LAB, now=NOON) == system_prompt(environment=LAB, now=NOON)


def test_it_tells_the_language_of_the_interface() -> None:
    assert "Korean" in system_prompt(locale="ko-KR", environment=LAB, now=NOON)
    assert "English" in system_prompt(locale="fr", environment=LAB, now=NOON)


def test_without_being_told_it_looks_at_this_machine() -> None:
    assert str(datetime.now().astimezone().year) in system_prompt()
