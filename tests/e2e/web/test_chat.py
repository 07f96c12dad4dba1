"""Asking and reading: the stream, its end, reloads, tabs, the queue."""

from __future__ import annotations

import re

from playwright.sync_api import expect

SLOW = "[[tokens=400]] [[delay_ms=20]]"


def test_the_first_question_of_an_empty_session(visit, standing_gateway):
    chat = visit(standing_gateway, session="first").ready()
    expect(chat.page.get_by_role("heading", name="What are you working on?")).to_be_visible()
    chat.page.locator(".starters button").first.click()
    expect(chat.mine).to_have_count(1)
    chat.answered()
    expect(chat.page.locator(".greeting")).to_have_count(0)
    expect(chat.status).to_have_text("The answer is ready.")


def test_an_answer_is_seen_to_stream(visit, standing_gateway):
    chat = visit(standing_gateway, session="stream").ready()
    chat.send("[[tokens=60]] [[delay_ms=15]]")
    expect(chat.streaming).to_contain_text("t0")
    seen = len(chat.streaming.inner_text())
    expect(chat.status).to_have_text("Answering…")
    expect(chat.streaming).to_contain_text("t20")
    assert len(chat.streaming.inner_text()) > seen
    chat.answered()
    expect(chat.replies).to_contain_text("t59")


def test_markdown_is_rendered_with_code_and_math(visit, standing_gateway):
    chat = visit(standing_gateway, session="markdown").ready()
    chat.ask("markdown")
    reply = chat.replies.last
    expect(reply.locator("table")).to_be_visible()
    expect(reply.locator("math")).to_have_count(1)
    expect(reply.locator("code [class^=hljs]").first).to_be_visible()
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reply.locator(".code").get_by_role("button", name="Copy").click()
    expect(reply.get_by_role("button", name="Copied")).to_be_visible()
    assert "print" in chat.page.evaluate("navigator.clipboard.readText()")


def test_stop_keeps_the_text(visit, standing_gateway):
    chat = visit(standing_gateway, session="stop").ready()
    chat.send(SLOW)
    expect(chat.streaming).to_contain_text("t5")
    chat.page.get_by_role("button", name="Stop").click()
    expect(chat.page.locator(".mark")).to_contain_text("Stopped")
    kept = chat.replies.inner_text()
    assert "t5" in kept
    assert "t399" not in kept
    chat.page.reload()
    expect(chat.replies).to_contain_text("t5")
    expect(chat.page.locator(".mark")).to_contain_text("Stopped")


def test_escape_stops_too(visit, standing_gateway):
    chat = visit(standing_gateway, session="escape").ready()
    chat.send(SLOW)
    expect(chat.streaming).to_contain_text("t1")
    chat.composer.press("Escape")
    expect(chat.page.locator(".mark")).to_contain_text("Stopped")


def test_a_reload_keeps_all(visit, standing_gateway):
    chat = visit(standing_gateway, session="reload").ready()
    chat.ask("code")
    chat.ask("[[text=Fine.]]")
    before = chat.turns.all_inner_texts()
    chat.page.reload()
    expect(chat.turns).to_have_count(4)
    expect(chat.page.locator("code [class^=hljs]").first).to_be_visible()
    assert [t.split() for t in chat.turns.all_inner_texts()] == [t.split() for t in before]


def test_a_reload_in_mid_reply_continues(visit, standing_gateway):
    chat = visit(standing_gateway, session="mid").ready()
    chat.send("[[tokens=150]] [[delay_ms=20]]")
    expect(chat.streaming).to_contain_text("t5")
    chat.page.reload()
    expect(chat.streaming).to_contain_text("t10")
    chat.answered()
    expect(chat.replies).to_have_text("".join(f"t{n} " for n in range(150)).strip())
    expect(chat.mine).to_have_count(1)


def test_two_tabs_see_one_stream(visit, standing_gateway):
    one = visit(standing_gateway, session="tabs").ready()
    two = visit(standing_gateway, session="tabs").ready()
    one.send("[[tokens=80]] [[delay_ms=15]]")
    expect(two.mine).to_have_count(1)
    expect(two.streaming).to_contain_text("t3")
    one.answered()
    two.answered()
    assert one.replies.inner_text() == two.replies.inner_text()
    two.send("[[text=From two.]]")
    expect(one.replies.last).to_contain_text("From two.")
    expect(one.mine).to_have_count(2)


def test_a_send_while_busy_waits_and_can_be_taken_back(visit, standing_gateway):
    chat = visit(standing_gateway, session="queue").ready()
    chat.send(SLOW)
    expect(chat.streaming).to_contain_text("t1")
    chat.send("[[text=second]]")
    chat.send("[[text=third]]")
    expect(chat.page.locator(".queue li")).to_have_count(2)
    chat.page.locator(".queue li", has_text="third").get_by_role("button", name="Cancel").click()
    expect(chat.page.locator(".queue li")).to_have_count(1)
    expect(chat.composer).to_have_value("[[text=third]]")
    chat.page.get_by_role("button", name="Stop").click()
    expect(chat.replies.last).to_contain_text("second")
    chat.answered()
    expect(chat.page.locator(".queue li")).to_have_count(0)
    expect(chat.mine).to_have_count(2)


def test_an_error_says_what_to_do_and_can_be_tried_again(visit, standing_gateway):
    chat = visit(standing_gateway, session="error").ready()
    chat.send("error 401")
    card = chat.page.locator(".error-card")
    expect(card).to_contain_text("The provider rejected the API key")
    card.get_by_text("Details").click()
    expect(card.locator("pre")).to_contain_text("req_demo")
    card.get_by_role("button", name="Change the API key").click()
    expect(chat.page.get_by_role("dialog", name="Settings")).to_be_visible()
    chat.page.keyboard.press("Escape")
    card.get_by_role("button", name="Try again").click()
    expect(chat.mine).to_have_count(2)


def test_a_cut_answer_is_shown_as_cut(visit, standing_gateway):
    chat = visit(standing_gateway, session="cut").ready()
    chat.ask("[[tokens=20]] [[drop=8]]")
    expect(chat.replies).to_contain_text("t7")
    expect(chat.page.locator(".mark")).to_contain_text("The answer was cut off.")


def test_thoughts_are_folded(visit, standing_gateway):
    chat = visit(standing_gateway, session="thoughts").ready()
    chat.send("thinking")
    fold = chat.page.locator(".thinking summary")
    expect(fold).to_contain_text(re.compile(r"Think|Thought"))
    chat.answered()
    fold.click()
    expect(chat.page.locator(".thinking clawdbot-markdown")).to_contain_text("script")


def test_a_command_is_completed_and_answered_as_a_card(visit, standing_gateway):
    chat = visit(standing_gateway, session="commands").ready()
    chat.composer.press_sequentially("/sta")
    expect(chat.page.get_by_role("option")).to_have_count(1)
    chat.composer.press("Tab")
    expect(chat.composer).to_have_value("/status")
    chat.composer.press("Enter")
    expect(chat.page.locator(".turn.command")).to_contain_text("agent:main:commands")
    expect(chat.mine).to_have_count(0)


def test_a_draft_survives_a_reload_and_is_its_sessions_own(visit, standing_gateway):
    chat = visit(standing_gateway, session="draft-a").ready()
    chat.composer.press_sequentially("half a thought")
    chat.page.reload()
    chat.ready()
    expect(chat.composer).to_have_value("half a thought")
    chat.page.locator(".session", has_text="Main session").click()
    expect(chat.composer).to_have_value("")


def test_up_in_an_empty_field_recalls_the_last_message(visit, standing_gateway):
    chat = visit(standing_gateway, session="recall").at_hand()
    chat.ask("[[text=ok]] again?")
    chat.composer.press("ArrowUp")
    expect(chat.composer).to_have_value("[[text=ok]] again?")


def test_the_reader_decides_whether_the_view_follows(visit, standing_gateway):
    chat = visit(standing_gateway, session="follow").ready()
    paragraphs = "\n\n".join(f"Paragraph {n} of many, to scroll through." for n in range(60))
    chat.ask(f"[[text={paragraphs}]] [[delay_ms=0]]")
    scroller = chat.page.locator(".scroller")
    assert chat.rests()[1] < 4
    chat.send(f"[[text={paragraphs}]] [[delay_ms=5]]")
    expect(chat.streaming).to_contain_text("Paragraph 9")
    scroller.hover()
    chat.page.mouse.wheel(0, -600)
    button = chat.page.locator(".to-end")
    expect(button).to_be_visible()
    place, _ = chat.rests()
    chat.answered()
    assert abs(chat.rests()[0] - place) < 4
    button.click()
    expect(button).to_have_count(0)
    assert chat.rests()[1] < 4


def test_the_title_tells_what_happens(visit, standing_gateway):
    chat = visit(standing_gateway, session="title").ready()
    chat.send(SLOW)
    expect(chat.page).to_have_title(re.compile(r"^… .*Clawdbot$"))
    chat.composer.press("Escape")
    expect(chat.page).to_have_title(re.compile(r"^[^…].*Clawdbot$"))
