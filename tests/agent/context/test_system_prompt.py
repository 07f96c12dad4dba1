"""The system prompt tells where the assistant is, and stays the same as long as a session goes on."""

from __future__ import annotations

import pytest

from clawdbot_ext.agent.context.system_prompt import Environment, system_prompt

LAB = Environment(host="lab-7", system="Linux 6.1 (x86_64)", python="3.12.1", server_root="/srv/notebooks")


def test_it_names_host_and_notebook_root() -> None:
    prompt = system_prompt(environment=LAB)
    for fact in ("lab-7", "Linux 6.1", "3.12.1", "/srv/notebooks"):
        assert fact in prompt


def test_it_holds_nothing_that_changes_with_the_day_or_the_client() -> None:
    assert "<time>" in system_prompt(environment=LAB) and "2026" not in system_prompt(environment=LAB)
    assert "Korean" not in system_prompt(environment=LAB) and "English" not in system_prompt(environment=LAB)


def test_the_sessions_own_prompt_has_the_last_word() -> None:
    prompt = system_prompt("Use metric units.", "Answer in verse.", environment=LAB)
    assert prompt.endswith("Use metric units.\n\nAnswer in verse.")
    assert system_prompt("  ", None, environment=LAB) == system_prompt(environment=LAB)


@pytest.mark.parametrize("said", ["one code block is one whole cell", "age", "is data", "guess"])
def test_it_tells_how_to_work_with_notebooks(said: str) -> None:
    assert said in system_prompt(environment=LAB).replace("\n", " ")


def test_it_tells_of_hands_only_where_there_are_some() -> None:
    with_hands, without = system_prompt(environment=LAB, hands=True), system_prompt(environment=LAB)
    assert "You have hands" in with_hands and "You have hands" not in without and "cannot open files" in without


def test_without_being_told_it_looks_at_this_machine() -> None:
    assert Environment().host in system_prompt()
