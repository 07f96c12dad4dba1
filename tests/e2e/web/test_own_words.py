"""Own words on the page: formatted, on a phone, found again, on paper."""

from __future__ import annotations

from playwright.sync_api import expect

from .test_look import overflow

MESSAGE = """**Compare** the `mean` at https://example.com에서

```python
print(1)
```

$a_1+a_2+a_3+a_4+a_5+a_6+a_7+a_8+a_9+a_{10}+a_{11}+a_{12}+a_{13}+a_{14}+a_{15}+a_{16}$"""
NOTES = 150
WITHIN = """(element) => {
    const edge = element.closest("clawdbot-sidebar").getBoundingClientRect().right;
    return [...element.querySelectorAll("*"), element].every((e) => e.getBoundingClientRect().right <= edge);
}"""


def test_own_messages_are_formatted_and_their_source_is_a_click_away(visit, standing_gateway):
    chat = visit(
        standing_gateway, session="own", viewport={"width": 390, "height": 760}, has_touch=True, is_mobile=True
    ).at_hand()
    expect(chat.page.get_by_text("Connect Claude")).to_have_count(1)
    assert chat.composer.get_attribute("dir") == "auto"
    chat.write(MESSAGE)
    chat.page.get_by_role("button", name="Send", exact=True).tap()
    chat.answered()
    expect(chat.mine.locator("strong")).to_have_text("Compare")
    expect(chat.mine.locator(".code code")).to_have_text("print(1)")
    expect(chat.mine.get_by_role("link")).to_have_text("https://example.com")
    formula = chat.mine.locator("math")
    expect(formula).to_be_visible()
    width, whole = formula.evaluate("e => [e.clientWidth, e.scrollWidth]")
    box = formula.bounding_box()
    assert box and box["x"] + box["width"] <= 390 and width < whole and overflow(chat) == []
    title = chat.page.locator("h1")
    expect(title).to_contain_text("Compare the mean")
    assert title.evaluate("e => e.clientWidth") > 200, "the title has no room"

    more = chat.page.locator("article.user [data-action=more]")
    more.tap()
    chat.page.get_by_role("menuitem", name="Show as written").tap()
    expect(chat.mine).to_contain_text("**Compare** the `mean`")
    more.tap()
    chat.page.get_by_role("menuitem", name="Show formatted").tap()
    expect(chat.mine.locator("strong")).to_have_text("Compare")

    chat.page.locator("#open-drawer").tap()
    field = chat.page.get_by_role("searchbox")
    assert float(field.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")) >= 16
    field.fill("mean")
    hit = chat.page.locator(".hit").first
    expect(hit.locator("mark")).to_have_text("mean")
    expect(hit).to_contain_text("Compare the mean at")
    assert hit.evaluate(WITHIN), "a hit runs out of the sidebar"
    chat.page.get_by_role("button", name="Clear the search").tap()
    expect(field).to_have_value("")
    expect(field).to_be_focused()


def test_all_of_a_conversation_is_printed(visit, standing_gateway):
    chat = visit(standing_gateway, session="paper").at_hand()
    chat.ask("[[text=begun]]")
    chat.fill("paper", [f"note {n}" for n in range(NOTES)])
    chat.page.reload()
    chat.at_hand()
    expect(chat.page.get_by_text(f"note {NOTES - 1}", exact=True)).to_be_visible()
    chat.page.evaluate("""() => {
        window.print = () => (window.printed = document.querySelector("clawdbot-chat").shadowRoot
            .querySelectorAll("article").length);
    }""")
    chat.page.keyboard.press("Control+p")
    chat.page.wait_for_function("() => window.printed !== undefined")
    assert chat.page.evaluate("window.printed") == NOTES + 2
    chat.page.emulate_media(media="print")
    chat.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    expect(chat.page.locator("article")).to_have_count(NOTES + 2)
    for hidden in ("clawdbot-sidebar", ".dock"):
        expect(chat.page.locator(hidden)).to_be_hidden()
    tall = chat.page.evaluate("document.scrollingElement.scrollHeight")
    assert tall > NOTES * 30, "what is below the window is cut off"
