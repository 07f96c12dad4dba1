"""Reading: notes at the foot, code that is coloured when one comes near it."""

from __future__ import annotations

from playwright.sync_api import expect

NOTED = "Water boils at 100 °C[^1], mostly[^high].\n\n[^high]: Not on a mountain.\n[^1]: At sea level.\n"
LONG = "\n\n".join(f"```python\ndef f{n}():\n    return {n}\n```\n\n" + "\n\n".join(["A line."] * 12)
                   for n in range(30))


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
    expect(notes.get_by_label("Back to where note 2 is cited")).to_be_focused()
    chat.page.keyboard.press("Enter")
    expect(cited).to_be_focused()
    assert chat.page.url == address
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
