"""The assistant's hands on the page: questions with what will be done, changes and their undo, modes, permissions.

The gateway's side of it is scripted frame by frame between a real gateway and the page, so that each case is at hand;
``test_work.py`` does the whole with the gateway's own.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from .chat import Chat
from .hands_data import AFTER, BEFORE, DONE, KEY, METHODS, PATH, STEPS, WORK, call, change, edit, question, result, said
from .test_look import problems
from .wire_script import WireScript

QUIET_MS = 1_100
"""The second without keys that a decision by key needs."""


@pytest.fixture
def stage(browser, standing_gateway, visit) -> Callable[..., tuple[Chat, WireScript]]:
    """A page whose history, changes and answers are scripted: ``stage(messages, hands={…}, **context_options)``."""

    def open_page(
        messages: list[dict[str, Any]] | None = None,
        *,
        flight: dict[str, Any] | None = None,
        hands: dict[str, Any] | None = None,
        **options: Any,
    ) -> tuple[Chat, WireScript]:
        chat = visit(standing_gateway, path="favicon.svg", **options)
        script = WireScript(chat.page, methods=METHODS)
        history = {"sessionKey": KEY, "sessionId": "s", "epoch": 1, "messages": messages or [], "hasMore": False}
        script.answers["chat.history"] = lambda _: {**history, **({"inFlight": flight} if flight else {})}
        script.answers["sessions.list"] = lambda _: {
            "sessions": [{"key": KEY, "updatedAt": 1, "hands": hands or {"mode": "ask", "cap": "notebook"}}]
        }
        script.answers["exec.approval.resolve"] = lambda _: {"ok": True}
        script.answers["hands.changes.list"] = lambda _: {"changes": [change()]}
        chat.open("chat")
        chat.ready()
        return chat, script

    return open_page


def card(chat: Chat) -> Locator:
    return chat.page.locator("section.approval")


# -- the card ---------------------------------------------------------------------------------------------------------
def test_a_question_shows_each_cell_with_its_difference_and_has_no_clock(stage):
    chat, script = stage()
    script.emit("exec.approval.requested", question(edit()))
    expect(card(chat)).to_be_focused()
    expect(card(chat).locator(".card-title")).to_have_text(re.compile(r"Change 4 cells in analysis\.ipynb\?"))
    expect(card(chat).locator(".op")).to_have_text(["Changed", "New", "Deleted", "Moved"])
    expect(card(chat).locator(".line.ins ins")).to_have_text([", index='time'"])
    expect(card(chat).locator(".line.del code")).to_have_text(["df = load('sensors.csv')", "x = 1"])
    expect(card(chat)).to_contain_text("6 → 1")
    expect(card(chat)).to_contain_text("Outputs of 2 cells will be out of date.")
    expect(card(chat).locator(".countdown")).to_have_count(0)
    expect(card(chat).get_by_role("button", name="Apply")).to_be_enabled()


def test_a_part_is_accepted_one_cell_changed_and_the_model_told_why_not_the_rest(stage):
    chat, script = stage()
    script.emit("exec.approval.requested", question(edit()))
    card(chat).get_by_role("checkbox").nth(2).uncheck()
    card(chat).get_by_role("button", name="Edit the text of Cell 2").click()
    field = card(chat).get_by_role("textbox", name="Edit the text of Cell 2")
    expect(field).to_be_focused()
    field.fill(AFTER + "  # mine")
    field.press("Escape")
    expect(card(chat)).to_be_visible()  # Esc ended the change, not the question
    expect(card(chat).locator("[data-edit='0']")).to_be_focused()
    expect(card(chat)).to_contain_text("Edited by you")
    card(chat).get_by_label("Why not the others?").fill("keep x")
    card(chat).get_by_role("button", name="Apply 3 of 4").click()
    assert script.wait_for("exec.approval.resolve") == {
        "id": "q1",
        "decision": "allow-once",
        "accepted": [0, 1, 3],
        "edited": {"0": AFTER + "  # mine"},
        "reason": "keep x",
    }
    script.emit("exec.approval.resolved", {"id": "q1", "decision": "allow-once", "ts": 1})
    expect(card(chat)).to_have_count(0)


def test_a_changed_cell_goes_back_to_what_was_proposed(stage):
    chat, script = stage()
    script.emit("exec.approval.requested", question(edit()))
    card(chat).get_by_role("button", name="Edit the text of Cell 3").click()
    card(chat).locator(".editor").fill("## Mine")
    card(chat).locator(".editor").press("Control+Enter")
    expect(card(chat).locator(".line.ins code").last).to_have_text("## Mine")
    card(chat).get_by_role("button", name="Reset Cell 3").click()
    expect(card(chat).locator(".line.ins code").last).to_have_text("## By time")
    card(chat).get_by_role("button", name="Apply").click()
    assert script.wait_for("exec.approval.resolve") == {"id": "q1", "decision": "allow-once"}


def test_it_is_refused_with_a_reason_and_letters_in_fields_decide_nothing(stage):
    chat, script = stage()
    script.emit("exec.approval.requested", question(edit()))
    card(chat).get_by_role("button", name="Give a reason…").click()
    chat.page.wait_for_timeout(QUIET_MS)
    chat.page.keyboard.type("any y and n", delay=10)
    expect(card(chat).get_by_label("Why not?")).to_have_value("any y and n")
    assert script.calls("exec.approval.resolve") == []
    chat.page.keyboard.press("Enter")
    assert script.wait_for("exec.approval.resolve") == {"id": "q1", "decision": "deny", "reason": "any y and n"}


def test_always_is_for_paths_that_are_shown_first(stage):
    chat, script = stage()
    script.emit("exec.approval.requested", question(edit()))
    expect(card(chat)).to_be_focused()
    chat.page.wait_for_timeout(QUIET_MS)
    chat.page.keyboard.press("a")
    pattern = card(chat).get_by_role("textbox", name="Paths")
    expect(pattern).to_be_focused()
    expect(pattern).to_have_value(PATH)
    assert script.calls("exec.approval.resolve") == [], "nothing is allowed for ever by one key"
    pattern.fill("work/*.ipynb")
    card(chat).get_by_role("button", name="Allow").click()
    assert script.wait_for("exec.approval.resolve") == {
        "id": "q1",
        "decision": "allow-always",
        "scope": "always",
        "pattern": "work/*.ipynb",
    }


def test_a_question_of_another_session_is_a_line_that_takes_no_focus_and_leads_there(stage):
    chat, script = stage()
    chat.composer.focus()
    other = question(edit(), id_="other", sessionKey="agent:main:elsewhere")
    script.emit("exec.approval.requested", other)
    line = chat.page.locator("details.approval")
    expect(line).to_contain_text("agent:main:elsewhere")
    expect(line.locator(".diff").first).to_be_hidden()
    expect(chat.composer).to_be_focused()
    script.emit("exec.approval.requested", question(edit()))
    expect(card(chat)).to_be_focused()
    line.get_by_role("button", name="agent:main:elsewhere").click()
    expect(chat.page).to_have_url(re.compile(r"session=agent%3Amain%3Aelsewhere"))
    expect(card(chat)).to_have_attribute("data-approval", "other")
    expect(line).to_have_attribute("data-approval", "q1")


def test_a_question_leaves_the_focus_to_who_answers_another(stage):
    chat, script = stage()
    script.emit("exec.approval.requested", question(edit()))
    card(chat).get_by_role("button", name="Edit the text of Cell 2").click()
    expect(card(chat).locator(".editor")).to_be_focused()
    script.emit("exec.approval.requested", question(edit(), id_="q2"))
    expect(card(chat)).to_have_count(2)
    expect(chat.page.locator(".editor")).to_be_focused()


def test_cells_code_and_files_are_shown_before_they_are_run_or_written(stage):
    chat, script = stage()
    run = {
        "type": "run",
        "path": PATH,
        "kernel": {"displayName": "Python 3"},
        "cells": [{"cell": "a", "index": 1, "source": "df.\u202eplot()"}],
    }
    script.emit("exec.approval.requested", question(run, id_="run"))
    expect(card(chat)).to_contain_text("Run 1 cell in analysis.ipynb?")
    expect(card(chat)).to_contain_text("Kernel: Python 3")
    expect(card(chat).locator(".source .escape")).to_have_text("\\u{202e}")
    script.emit("exec.approval.resolved", {"id": "run", "decision": "deny", "ts": 1})
    script.emit("exec.approval.requested", question({"type": "code", "code": "!rm -r x"}, id_="code"))
    expect(card(chat).locator(".source")).to_have_text("!rm -r x")
    script.emit("exec.approval.resolved", {"id": "code", "decision": "deny", "ts": 1})
    file = {"type": "file", "path": "notes.md", "before": "a\nb", "after": "a\nc"}
    script.emit("exec.approval.requested", question(file, id_="file"))
    expect(card(chat).locator(".line.ins code")).to_have_text("c")
    script.emit("exec.approval.resolved", {"id": "file", "decision": "deny", "ts": 1})
    plan = {"type": "plan", "operations": [{"title": "Edit analysis.ipynb", "preview": edit()}, "Run it"]}
    script.emit("exec.approval.requested", question(plan, id_="plan"))
    expect(card(chat).locator(".plan-steps > li")).to_have_count(2)
    expect(card(chat).get_by_role("checkbox")).to_have_count(0)


def test_questions_of_the_assistant_and_of_a_running_cell_are_answered_in_the_card(stage):
    chat, script = stage()
    questions = [
        {"id": "target", "text": "Which column?", "choices": ["price", "rent"], "free": True},
        {"id": "more", "text": "Anything else?"},
    ]
    script.emit("exec.approval.requested", question(id_="ask", kind="question", questions=questions))
    answer = card(chat).get_by_role("button", name="Answer", exact=True)
    expect(answer).to_be_disabled()
    card(chat).get_by_label("rent").check()
    card(chat).get_by_label("Something else").first.check()
    card(chat).get_by_role("textbox", name="Something else").fill("both")
    card(chat).get_by_label("Anything else?").fill("no")
    answer.click()
    assert script.wait_for("exec.approval.resolve") == {
        "id": "ask",
        "decision": "allow-once",
        "answers": {"target": "both", "more": "no"},
    }
    script.emit("exec.approval.resolved", {"id": "ask", "decision": "allow-once", "ts": 1})
    script.asked.clear()
    script.emit("exec.approval.requested", question(id_="in", kind="input", prompt="Password: ", password=True))
    field = card(chat).get_by_label("Password:")
    expect(field).to_have_attribute("type", "password")
    field.fill("s3cret")
    expect(card(chat).get_by_role("button", name="Answer", exact=True)).to_be_enabled()
    field.press("Enter")
    assert script.wait_for("exec.approval.resolve") == {
        "id": "in",
        "decision": "allow-once",
        "answers": {"value": "s3cret"},
    }


# -- a run ------------------------------------------------------------------------------------------------------------
def test_a_run_shows_its_plan_where_it_is_and_what_came_of_it(stage):
    flight = {"runId": "run-2", "text": "", "thinking": "", "startedAt": 1}
    chat, script = stage([said("user", 1, "Run it")], flight=flight)

    def tool(**data: Any) -> None:
        event = {"runId": "run-2", "sessionKey": KEY, "stream": "tool", "data": data}
        script.emit("agent", event)

    tool(phase="start", toolCallId="p", name="plan", args={"steps": STEPS})
    plan = chat.page.locator(".plan")
    expect(plan.locator("li")).to_have_count(2)
    expect(plan.locator("[data-state=done]")).to_have_count(1)
    tool(phase="result", toolCallId="p", name="plan", output="noted", details={"steps": DONE})
    expect(plan).to_contain_text("2 of 2 done")
    tool(phase="start", toolCallId="x", name="cell_run", title="cell 2")
    tool(phase="update", toolCallId="x", progress={"cell": "a", "index": 1, "phase": "start"})
    tool(phase="update", toolCallId="x", progress={"cell": "a", "index": 1, "phase": "output", "text": "epoch 1\n"})
    tool(phase="update", toolCallId="x", progress={"cell": "a", "index": 1, "phase": "output", "text": "<b>2</b>\n"})
    running = chat.page.locator(".tool[data-state=running]")
    expect(running).to_contain_text("Running: Cell 2")
    expect(running.locator(".tail")).to_have_text("epoch 1\n<b>2</b>\n")
    results = [{"cell": "a", "index": 1, "status": "error", "executionCount": 3, "ms": 1200, "text": "NameError"}]
    tool(phase="result", toolCallId="x", name="cell_run", output="failed", details={"results": results})
    chat.page.locator(".tool > summary", has_text="Run").click()
    expect(chat.page.locator(".results [data-status=error]")).to_contain_text("NameError")


def test_a_message_is_given_to_the_running_reply_by_a_button_and_by_a_key(stage):
    flight = {"runId": "run-2", "text": "", "thinking": "", "startedAt": 1}
    chat, script = stage([said("user", 1, "Run it")], flight=flight)
    script.answers["chat.queue.edit"] = lambda _: {"ok": True}
    script.answers["chat.send"] = lambda params: {"runId": params["idempotencyKey"], "status": "started"}
    waiting = {"runId": "next-1", "text": "not that column", "createdAt": 1}
    script.emit("session.queue", {"sessionKey": KEY, "queued": [waiting]})
    now = chat.page.get_by_role("button", name="Let the assistant read it before its next step")
    expect(now).to_have_attribute("aria-pressed", "false")
    now.click()
    assert script.wait_for("chat.queue.edit") == {"sessionKey": KEY, "runId": "next-1", "when": "now"}
    script.emit("session.queue", {"sessionKey": KEY, "queued": [{**waiting, "when": "now"}]})
    expect(now).to_have_attribute("aria-pressed", "true")
    now.click()
    script.emit("session.queue", {"sessionKey": KEY, "queued": [waiting]})
    expect(now).to_have_attribute("aria-pressed", "false")
    chat.composer.focus()
    chat.page.keyboard.press("Control+Shift+Enter")  # the field is empty: the message that waits
    expect(chat.page.locator(".announcer, [role=status]", has_text="before its next step").first).to_be_attached()
    assert [call["when"] for call in script.calls("chat.queue.edit")] == ["now", "next", "now"]
    chat.composer.fill("use the median")
    chat.page.keyboard.press("Control+Shift+Enter")
    sent = script.wait_for("chat.send")
    assert (sent["message"], sent["when"]) == ("use the median", "now")
    expect(chat.composer).to_have_value("")
    read = {"id": "m2", "seq": 2, "role": "user", "runId": "next-1", "timestamp": 2, "content": "not that column"}
    event = {"sessionKey": KEY, "sessionId": "s", "epoch": 1, "seq": 2, "message": {**read, "foldedInto": "run-2"}}
    script.emit("session.message", event)
    script.emit("chat", {"runId": "next-1", "sessionKey": KEY, "seq": 1, "state": "final", "foldedInto": "run-2"})
    expect(chat.page.locator(".turn.user .bubble")).to_have_text(["Run it", "not that column"])
    expect(chat.page.locator(".turn.assistant[aria-busy=true]")).to_have_count(1)


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_what_is_cited_from_the_web_stands_under_the_answer_with_safe_links(stage):
    found = [{"type": "web_search_result", "title": "About x", "url": "https://example.org/x"}]
    use = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "what is x"}}
    cites = [
        {"title": "About **x**", "url": "https://example.org/x", "cited_text": "x is <b>so</b>"},
        {"title": "Bad", "url": "javascript:alert(1)"},
    ]
    content = [
        {"type": "serverBlock", "block": use},
        {"type": "serverBlock", "block": {"type": "web_search_tool_result", "tool_use_id": "s1", "content": found}},
        {"type": "text", "text": "It says "},
        {"type": "text", "text": "x is so", "citations": cites},
        {"type": "text", "text": ", no more."},
    ]
    chat, _ = stage([said("user", 1, "x?"), said("assistant", 2, content, model="m", stopReason="stop")])
    reply = chat.page.locator(".turn.assistant .reply")
    expect(reply.locator("p").first).to_have_text("It says x is so12, no more.")
    reply.locator("[role=doc-noteref]").first.press("Enter")
    notes = reply.locator("[role=doc-endnotes] li")
    expect(notes.first).to_be_focused()
    expect(notes.first).to_contain_text("About **x** · example.org · “x is <b>so</b>”")
    expect(notes.last).to_contain_text("Bad")
    hrefs = reply.locator("[role=doc-endnotes] a:not(.note-back)").evaluate_all("all => all.map((a) => a.href)")
    assert hrefs == ["https://example.org/x"]
    card = chat.page.locator(".tool")
    expect(card.locator("summary")).to_contain_text("what is x")
    card.locator("summary").press("Enter")
    expect(card.get_by_role("link", name="About x")).to_have_attribute("href", "https://example.org/x")


def test_pictures_of_a_result_are_shown_and_only_pictures(stage):
    images = [
        {"type": "image", "mimeType": "image/png", "data": PIXEL},
        {"type": "image", "mimeType": "image/svg+xml", "data": "PHN2Zy8+"},
    ]
    shown = result(3, "x", "drawn")
    shown["content"] = [*shown["content"], *images]
    chat, _ = stage([said("user", 1, "Draw"), call(2, "x", "cell_run", path=PATH), shown])
    chat.page.locator(".tool > summary").click()
    expect(chat.page.locator(".result-image")).to_have_count(1)
    assert chat.page.locator(".result-image").evaluate("image => image.decode().then(() => image.naturalWidth)") == 1


def test_a_run_says_what_it_changed_and_cost_and_keeps_in_step_with_other_windows(stage):
    chat, script = stage(WORK)
    script.answers["hands.changes.keep"] = lambda _: {"ok": True}
    strip = chat.page.locator(".change")
    expect(strip).to_contain_text("1 cell changed · analysis.ipynb")
    expect(chat.page.locator(".run-usage")).to_contain_text("3 steps · 300 tokens in, 30 out · $0.03")
    strip.get_by_role("button", name="1 cell changed", exact=False).first.click()
    expect(strip.locator(".line.ins ins")).to_have_text([", index='time'"])
    strip.get_by_role("button", name="Keep").click()
    assert script.wait_for("hands.changes.keep") == {"id": "change-1"}
    script.emit("hands.changes.changed", {"change": change("kept")})
    expect(strip).to_contain_text("Kept")
    expect(strip.get_by_role("button", name="Keep")).to_have_count(0)
    script.emit("hands.changes.changed", {"change": change("undone")})  # in another window
    expect(strip).to_contain_text("Undone")
    expect(strip.get_by_role("button", name="Undo")).to_have_count(0)


def test_an_undo_shows_what_the_person_changed_since_and_asks(stage):
    chat, script = stage(WORK)
    mine = AFTER + "\nmine = 1"
    problem = {"cell": "a", "now": mine, "before": BEFORE, "after": AFTER}
    script.answers["hands.changes.undo"] = lambda params: {
        "state": "undone" if params.get("force") else "applied",
        "problems": [] if params.get("force") else [problem],
    }
    strip = chat.page.locator(".change")
    strip.get_by_role("button", name="Undo").click()
    conflict = strip.get_by_role("region", name="You have changed this since")
    expect(conflict).to_be_focused()
    expect(conflict.locator("clawdbot-diff").first.locator(".line.ins code")).to_have_text("mine = 1")
    expect(conflict.locator("clawdbot-diff").last.locator(".line.del")).to_have_count(3)
    conflict.get_by_role("button", name="Leave it").click()
    expect(conflict).to_have_count(0)
    strip.get_by_role("button", name="Undo").click()
    conflict.get_by_role("button", name="Undo anyway").click()
    expect(conflict).to_have_count(0)
    assert script.calls("hands.changes.undo")[-1] == {"id": "change-1", "force": True, "cells": ["a"]}


def test_the_sessions_menu_lists_its_changes(stage):
    chat, _ = stage(WORK)
    chat.act("Main session", "Changes in notebooks")
    dialog = chat.page.get_by_role("dialog", name="Changes in “Main session”")
    expect(dialog.locator(".change")).to_contain_text("1 cell changed · analysis.ipynb")
    chat.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


# -- modes and permissions --------------------------------------------------------------------------------------------
def test_the_mode_is_always_to_be_seen_and_chosen_within_the_cap(stage):
    chat, script = stage(WORK)
    script.answers["sessions.patch"] = lambda _: {"ok": True, "key": KEY, "entry": {"key": KEY, "updatedAt": 1}}
    chip = chat.page.locator(".mode")
    expect(chip).to_have_text("Ask")
    chip.click()
    menu = chat.page.get_by_role("dialog", name="What the assistant may do")
    expect(menu.get_by_role("radio", name="Ask Reads")).to_be_focused()
    expect(menu.get_by_role("radio", name="Unattended")).to_be_disabled()
    expect(menu).to_contain_text("The administrator allows “This notebook” at most.")
    menu.get_by_role("radio", name="Edits Edits").check()
    assert script.wait_for("sessions.patch") == {"key": KEY, "handsMode": "edits"}
    expect(menu).to_be_hidden()
    script.asked.clear()
    chip.click()
    menu.get_by_role("radio", name="This notebook Edits").check()
    expect(menu.get_by_label("Notebook", exact=True)).to_have_value(PATH)
    menu.locator(".terms select").select_option("15")
    menu.get_by_role("button", name="Start").click()
    assert script.wait_for("sessions.patch") == {
        "key": KEY,
        "handsMode": "notebook",
        "handsNotebook": PATH,
        "handsMinutes": 15,
    }


def test_unattended_is_red_and_says_how_long(stage):
    until = int(time.time() * 1000) + 30 * 60_000
    chat, script = stage(hands={"mode": "unattended", "cap": "unattended", "untilMs": until})
    chip = chat.page.locator(".mode")
    expect(chip).to_contain_text(re.compile(r"Unattended\s*30 min"))
    expect(chip).to_have_css("color", "rgb(255, 255, 255)")
    entry = {"key": KEY, "updatedAt": 2, "hands": {"mode": "ask", "cap": "unattended"}}
    script.emit("session.changed", {"key": KEY, "reason": "updated", "entry": entry})  # in another window
    expect(chip).to_have_text("Ask")


def test_permissions_are_listed_in_the_settings_and_revoked(stage):
    chat, script = stage()
    grants = [
        {"id": "g1", "tool": "notebook_edit", "scope": "always", "path": "work/*", "by": "me", "createdAtMs": 1},
        {"id": "g2", "tool": "cell_run", "scope": "notebook", "path": PATH, "sessionKey": KEY, "by": "me"},
    ]
    full = [{"createdAtMs": 1, "usedAtMs": 0, **grant} for grant in grants]
    script.answers["hands.grants.list"] = lambda _: {"grants": full}
    script.answers["hands.grants.revoke"] = lambda _: {"ok": True}
    chat.page.get_by_role("button", name="Settings").click()
    rows = chat.page.locator(".grants li")
    expect(rows).to_have_count(2)
    expect(rows.last).to_contain_text("Main session")
    rows.first.get_by_role("button", name="Revoke").click()
    assert script.wait_for("hands.grants.revoke") == {"id": "g1"}
    expect(rows).to_have_count(1)
    script.emit("hands.grants.changed", {"grants": []})  # in another window
    expect(rows).to_have_count(0)


def test_permissions_and_changes_open_before_the_mode_has_come(stage):
    chat, script = stage()
    grant = {"id": "g1", "tool": "cell_run", "scope": "always", "path": "*", "createdAtMs": 1, "usedAtMs": 0}
    script.answers["hands.grants.list"] = lambda _: {"grants": [grant]}
    chat.page.context.route(re.compile(r"/mode-[\w-]+\.js$"), lambda _: None)  # a slow network: never answered
    chat.open("chat")
    chat.ready()
    chat.page.get_by_role("button", name="Settings").click()
    expect(chat.page.locator(".grants li")).to_have_count(1)
    chat.page.keyboard.press("Escape")
    chat.page.locator(".sessions li:has([aria-current]) .session-more").click(force=True)
    chat.page.get_by_role("menuitem", name="Changes").click()
    expect(chat.page.locator("dialog.change-list")).to_be_visible()
    assert chat.page.evaluate("() => customElements.get('clawdbot-hands-mode') === undefined")


# -- senses -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("options", [{}, {"viewport": {"width": 390, "height": 844}}, {"color_scheme": "dark"}])
def test_it_is_accessible_and_fits_its_window(stage, options):
    chat, script = stage(WORK, bypass_csp=True, **options)
    expect(chat.page.locator(".change")).to_be_visible()
    script.emit("exec.approval.requested", question(edit()))
    expect(card(chat).locator(".diff").first).to_be_visible()
    card(chat).get_by_role("checkbox").nth(1).uncheck()
    assert problems(chat) == []
    overflow = chat.page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    apply = card(chat).get_by_role("button", name="Apply 3 of 4")
    expect(apply).to_be_in_viewport()
