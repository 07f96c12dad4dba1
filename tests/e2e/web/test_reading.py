"""Reading: notes at the foot, code that is coloured when one comes near it, quoting what is selected."""

from __future__ import annotations

from playwright.sync_api import expect

NOTED = "Water boils at 100 °C[^1], mostly[^high].\n\n[^high]: Not on a mountain.\n[^1]: At sea level.\n"
SELECT = """([row, selector]) => {
    const root = document.querySelector("clawdbot-chat").shadowRoot;
    getSelection().selectAllChildren([...root.querySelectorAll("article.assistant")].at(row).querySelector(selector));
}"""
LONG = "\n\n".join(
    f"```python\ndef f{n}():\n    return {n}\n```\n\n" + "\n\n".join(["A line."] * 12) for n in range(30)
)


def test_a_footnote_is_reached_and_left_by_keyboard(visit, standing_gateway):
    chat = visit(standing_gateway, session="notes").ready()
    chat.ask("[[text=start]]")
    chat.fill("notes", [NOTED, NOTED])
    first, second = chat.replies.nth(1), chat.replies.nth(2)
    notes = second.locator("[role=doc-endnotes][aria-label=Footnotes]")
    expect(notes.locator("li")).to_have_text(["At sea level. ↩", "Not on a mountain. ↩"])
    expect(second.locator("p").first).to_have_text("Water boils at 100 °C1, mostly2.")
    address = chat.page.url
    cited = second.get_by_label("Note 2", exact=True)
    cited.press("Enter")
    expect(notes.locator("li").last).to_be_focused()
    chat.page.keyboard.press("Tab")
    expect(notes.get_by_label("Back to reference 2")).to_be_focused()
    chat.page.keyboard.press("Enter")
    expect(cited).to_be_focused()
    assert chat.page.url == address
    chat.page.evaluate(SELECT, [-1, "p"])
    chat.page.locator(".quote-button").click()
    expect(chat.composer).to_have_value("> Water boils at 100 °C[1], mostly[2].\n\n")
    ids = chat.page.evaluate("""() => [...document.querySelector("clawdbot-chat").shadowRoot
        .querySelectorAll(".block [id]")].map((each) => each.id)""")
    assert len(ids) == len(set(ids)) == 8
    expect(first.locator("[role=doc-endnotes] li")).to_have_count(2)


def test_code_is_coloured_when_one_comes_near_it(visit, standing_gateway):
    chat = visit(standing_gateway, session="colours").ready()
    chat.ask("[[text=start]]")
    chat.fill("colours", [LONG])
    blocks = chat.replies.last.locator(".code")
    expect(blocks).to_have_count(30)
    expect(blocks.last.locator(".hljs-keyword").first).to_be_visible()
    expect(blocks.first.locator(".hljs-keyword")).to_have_count(0)
    blocks.first.scroll_into_view_if_needed()
    expect(blocks.first.locator(".hljs-keyword").first).to_be_visible()


def test_what_is_selected_is_quoted_behind_the_draft_by_button_or_by_key(visit, standing_gateway):
    chat = visit(standing_gateway, session="quoting").ready()
    chat.ask("[[text=start]]")
    chat.fill("quoting", ["First **words**.\n\nOthers.", "```py\na = 1\nb = 2\n```"])
    expect(chat.replies).to_have_count(3)
    button = chat.page.locator(".quote-button")
    chat.write("My draft")
    words = chat.replies.nth(1).locator("strong")
    words.dblclick()
    expect(button).to_be_visible()
    place, marked = button.bounding_box(), words.bounding_box()
    assert place is not None
    assert marked is not None
    assert marked["y"] - 60 < place["y"] < marked["y"]
    button.click()
    expect(chat.composer).to_have_value("My draft\n\n> words\n\n")
    expect(chat.composer).to_be_focused()
    expect(button).to_have_count(0)

    chat.write("")
    chat.page.evaluate(SELECT, [-1, "code"])
    expect(button).to_be_visible()
    chat.page.keyboard.press("Control+Shift+Digit9")
    expect(chat.composer).to_have_value("> ```\n> a = 1\n> b = 2\n> ```\n\n")
    chat.page.evaluate(SELECT, [-2, "clawdbot-markdown"])
    expect(button).to_be_visible()
    chat.page.evaluate("getSelection().removeAllRanges()")
    expect(button).to_have_count(0)


def test_on_a_phone_the_button_is_below_the_selection(visit, standing_gateway):
    chat = visit(
        standing_gateway,
        session="quoting-phone",
        viewport={"width": 390, "height": 740},
        has_touch=True,
        is_mobile=True,
    ).ready()
    chat.write("[[text=start]]")
    chat.page.locator(".send").tap()
    expect(chat.replies).to_have_text("start")
    chat.answered()
    chat.page.evaluate(SELECT, [0, "p"])
    button = chat.page.locator(".quote-button")
    expect(button).to_be_visible()
    place, text = button.bounding_box(), chat.replies.first.locator("p").bounding_box()
    assert place is not None
    assert text is not None
    assert place["y"] > text["y"] + text["height"]
    assert place["height"] >= 44
    button.tap()
    expect(chat.composer).to_have_value("> start\n\n")
