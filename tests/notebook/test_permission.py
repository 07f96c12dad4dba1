"""Questions for permission in the run of a cell: answered at the kernel's input, elsewhere, or refused at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from clawdbot_ext import client
from clawdbot_ext.client.approvals import Approval, Decision
from clawdbot_ext.client.endpoint import Endpoint
from clawdbot_ext.client.sync import SyncClient
from clawdbot_ext.i18n import catalogue
from clawdbot_ext.notebook.permission import markdown
from tests.notebook.kernel import Kernel
from tests.support.server import GatewayProcess

ASKS = "%%clawdbot\n[[tool=demo_calculate]][[expression=2+3]]"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with the demo model, whose tool asks."""
    gateway = GatewayProcess(tmp_path_factory.mktemp("demo") / "state")
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def started(demo: GatewayProcess) -> Iterator[Kernel]:
    kernel = Kernel({**demo.environment, "IPYTHONDIR": str(demo.state / "ipython")})
    assert kernel.run("%reload_ext clawdbot_ext").errors == []
    yield kernel
    kernel.stop()


@pytest.fixture
def other(demo: GatewayProcess) -> Iterator[SyncClient]:
    """Another window."""
    with client.connect(Endpoint(demo.ws_url, demo.url, demo.token)) as connected:
        yield connected


def _text(ran: Any) -> str:
    return f"{ran.markdown}\n{ran.errors}"


@pytest.mark.slow
def test_the_question_is_answered_in_the_cell(started: Kernel) -> None:
    asked = started.start(ASKS)
    prompt = started.prompt()
    assert "y yes, once" in prompt["prompt"] and not prompt["password"]
    started.answer("what?")
    assert "y yes, once" in started.prompt()["prompt"], "asked again"
    started.answer("y")
    ran = started.collect(asked)
    assert ran.errors == []
    assert 'demo_calculate {"expression": "2+3"}' in ran.markdown and "Allowed this once." in ran.markdown
    assert "The tool answered: **5**" in ran.markdown


@pytest.mark.slow
def test_another_window_that_answers_first_ends_the_prompt_and_the_cell_goes_on(
    started: Kernel, other: SyncClient
) -> None:
    asked = started.start(ASKS)
    started.prompt()
    other.approvals.resolve(other.approvals.list()[0].id, Decision.allow())
    ran = started.collect(asked)
    assert ran.errors == []
    assert "Allowed in another window" in ran.markdown and "The tool answered: **5**" in ran.markdown


@pytest.mark.slow
def test_interrupting_the_cell_takes_the_question_back(started: Kernel, other: SyncClient) -> None:
    asked = started.start(ASKS)
    started.prompt()
    started.interrupt()
    ran = started.collect(asked)
    assert "Stopped" in _text(ran)
    assert other.approvals.list() == []


@pytest.mark.slow
def test_where_no_person_can_be_asked_it_is_refused_at_once_and_the_cell_fails(
    started: Kernel, other: SyncClient
) -> None:
    ran = started.collect(started.start(ASKS, stdin=False))
    assert "no one to ask" in " ".join(ran.errors) and "%clawdbot mode edits" in " ".join(ran.errors)
    assert other.approvals.list() == []
    kept = started.collect(started.start(ASKS.replace("%%clawdbot", "%%clawdbot --keep-going"), stdin=False))
    assert kept.errors == [] and "no one to ask" in kept.markdown


@pytest.mark.slow
def test_the_mode_is_shown_and_set(started: Kernel) -> None:
    assert "`ask`" in started.run("%clawdbot mode").markdown
    assert "`read`" in started.run("%clawdbot mode read").markdown
    assert "`read`" in started.run("%clawdbot mode").markdown
    assert "Did you mean `edits`?" in " ".join(started.run("%clawdbot mode edit").errors)
    assert "`notebook`" in started.run("%clawdbot mode notebook my analysis.ipynb").markdown
    assert "`ask`" in started.run("%clawdbot mode ask").markdown
    assert "changed nothing" in " ".join(started.run("%clawdbot undo").errors)
    assert "unattended" in started.complete("%clawdbot mode un")


def preview(given: dict[str, Any]) -> str:
    t = catalogue("hands")
    approval = Approval.from_wire({"id": "1", "request": {"title": "Edit", "preview": given}})
    return markdown(approval, lambda key, **facts: t("en", key, **facts))


def test_a_preview_is_markdown_with_a_diff_per_cell() -> None:
    cells = [
        {
            "op": "replace",
            "cell": "a",
            "index": 0,
            "type": "code",
            "before": "x = 1",
            "after": "x = 2",
            "staleAfter": ["b"],
        },
        {"op": "move", "cell": "b", "index": 4, "type": "code", "before": "y", "after": "y"},
    ]
    text = preview({"type": "edit", "path": "a_b.ipynb", "cells": cells})
    for part in ("a\\_b.ipynb", "[1] cell 1 (code) changes", "```diff\n-x = 1\n+x = 2\n```", "1 output", "[2] cell 5"):
        assert part in text


def test_nothing_in_a_preview_ends_its_block_or_hides() -> None:
    text = preview({"type": "code", "code": "s = '''\n```\n# not code\n'''\n\u202eabc"})
    assert text.count("````") == 2 and "\\u202eabc" in text and "\u202e" not in text
    long = preview({"type": "code", "code": "x = 1\n" * 10_000})
    assert "more lines (v shows all)" in long and long.count("```") == 2
