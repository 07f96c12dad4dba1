"""A long conversation: what is in the document, what stays where it is, and what is found."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

NOTES = 260


@pytest.fixture(scope="module")
def filled() -> set[str]:
    return set()


@pytest.fixture
def chat(visit, standing_gateway, filled):
    """A session of 260 notes of several lines; every 50th has a word of its own."""
    chat = visit(standing_gateway, session="long").ready()
    if not filled:
        chat.ask("[[text=start]]")
        chat.fill("long", [note(n) for n in range(NOTES)])
        filled.add("long")
        chat.page.reload()
        chat.ready()
    expect(chat.turns.last).to_contain_text(f"note {NOTES - 1}")
    return chat


def note(n: int) -> str:
    rare = f" **keyword{n}** 매출" if n % 50 == 10 else ""
    return f"note {n}{rare}\n\n" + "\n\n".join(f"line {k} of it" for k in range(n % 5))


def top_of(turn: Locator) -> float:
    box = turn.bounding_box()
    assert box
    return box["y"]


def test_only_turns_near_the_view_are_in_the_document(chat):
    assert chat.turns.count() < 60
    scroller = chat.page.locator(".scroller")
    assert chat.rests()[1] < 4
    scroller.hover()
    for _ in range(200):
        chat.page.mouse.wheel(0, -3_000)
        if chat.mine.count() and chat.mine.first.is_visible():
            break
        chat.page.wait_for_timeout(20)
    expect(chat.mine.first).to_contain_text("start")
    expect(chat.page.get_by_role("button", name="Show earlier messages")).to_have_count(0)
    assert chat.turns.count() < 60
    sizes = chat.turns.first.evaluate("e => [e.ariaPosInSet, e.ariaSetSize]")
    assert sizes == ["1", str(NOTES + 2)]


def test_what_one_reads_stays_where_it_is_when_older_turns_come(chat):
    chat.page.locator(".scroller").hover()
    read = chat.turns.filter(has_text="note 163").first
    chat.page.evaluate("""() => {
        const root = document.querySelector("clawdbot-chat");
        const real = root.controller.loadOlder.bind(root.controller);
        root.controller.loadOlder = () => undefined;  // not before the test says so
        root.older = real;
    }""")
    for _ in range(100):
        chat.page.mouse.wheel(0, -3_000)
        if read.count():
            break
        chat.page.wait_for_timeout(20)
    expect(read).to_be_visible()
    chat.page.wait_for_function("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    before = top_of(read)
    chat.page.evaluate("document.querySelector('clawdbot-chat').older()")
    expect(read).to_have_attribute("aria-posinset", "104")
    assert abs(top_of(read) - before) <= 1


def test_find_reaches_turns_that_are_not_in_the_document_and_not_loaded(chat):
    chat.composer.press("Control+f")
    field = chat.page.get_by_role("textbox", name="Find in this conversation")
    expect(field).to_be_focused()
    field.fill("keyword10")
    count = chat.page.locator(".find-count")
    expect(count).to_have_text("1 of 1")
    expect(chat.turns.filter(has_text="keyword10")).to_be_in_viewport()
    painted = "[...CSS.highlights.get('clawdbot-found')].map(range => range.toString())"
    assert chat.page.evaluate(painted) == ["keyword10"]
    field.fill("매출")
    expect(count).to_have_text("5 of 5")
    expect(chat.turns.filter(has_text="keyword210")).to_be_in_viewport()
    field.press("Enter")
    expect(count).to_have_text("4 of 5")
    expect(chat.turns.filter(has_text="keyword160")).to_be_in_viewport()
    field.press("Escape")
    expect(field).to_have_count(0)
    assert chat.page.evaluate("CSS.highlights.size") == 0


def test_a_selected_turn_stays_while_one_scrolls_away(chat):
    chosen = chat.turns.filter(has_text=f"note {NOTES - 2}").last
    chosen.locator("p").first.select_text()
    chat.page.locator(".scroller").hover()
    for _ in range(12):
        chat.page.mouse.wheel(0, -2_000)
        chat.page.wait_for_timeout(20)
    expect(chat.turns.filter(has_text=f"note {NOTES - 30}")).to_have_count(0)
    assert f"note {NOTES - 2}" in chat.page.evaluate(
        "document.querySelector('clawdbot-chat').shadowRoot.getSelection().toString()"
    )


def test_ones_own_message_stands_at_the_top_while_it_is_answered(chat):
    chat.send("[[tokens=60]] [[delay_ms=15]] where am I")
    expect(chat.streaming).to_contain_text("t5")
    view = chat.page.locator(".scroller").bounding_box()
    assert view
    mine = chat.mine.last
    assert 0 <= top_of(mine) - view["y"] < 80
    row = chat.page.locator(".row").last.evaluate_handle("e => e")
    chat.answered()
    assert 0 <= top_of(mine) - view["y"] < 80
    assert chat.page.locator(".row").last.evaluate("(e, before) => e === before", row), "the row was made anew"
