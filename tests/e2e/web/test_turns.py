"""Actions on a turn: tools and approvals, versions, deleting with undo, copying, quoting."""

from __future__ import annotations

from playwright.sync_api import expect


def test_a_call_is_allowed_by_key_also_after_a_reload(visit, standing_gateway):
    chat = visit(standing_gateway, session="tools").ready()
    chat.send("use the tool")
    question = chat.page.locator(".approval")
    expect(question).to_be_focused()
    expect(question).to_contain_text('"expression": "6 * 7"')
    chat.page.reload()
    expect(question).to_be_focused()
    question.press("Escape")
    expect(chat.composer).to_be_focused()
    expect(question).to_be_visible()
    question.get_by_role("button", name="Allow once").click()
    expect(question).to_have_count(0)
    chat.answered()
    card = chat.page.locator(".tool")
    expect(card).to_have_attribute("data-state", "done")
    expect(card).to_contain_text("6 * 7")
    expect(chat.replies.last).to_contain_text("42")
    expect(chat.page.locator("article.assistant")).to_have_count(1)


FIRST_SEEN = """() => {
    const root = document.querySelector("clawdbot-chat").shadowRoot;
    new MutationObserver(() => {
        const button = root.querySelector(".approval button");
        if (button) window.firstSeen ??= button.disabled ? "asleep" : "awake";
    }).observe(root, { childList: true, subtree: true });
}"""


def test_who_goes_on_writing_or_clicking_allows_nothing(visit, standing_gateway):
    chat = visit(standing_gateway, session="writing").ready()
    chat.page.evaluate(FIRST_SEEN)
    chat.send("use the tool")
    question = chat.page.locator(".approval")
    expect(question).to_be_focused()
    chat.page.keyboard.type("yes and any more", delay=60)
    expect(chat.composer).to_have_value("yes and any more")
    expect(question).to_be_visible()
    assert chat.page.evaluate("window.firstSeen") == "asleep", "no click may hit what has just come"
    chat.composer.fill("")
    question.focus()
    chat.page.wait_for_timeout(1_100)  # the second without keys that a decision by key needs
    chat.page.keyboard.press("n")
    expect(question).to_have_count(0)
    chat.answered()


def test_a_call_that_was_not_allowed_is_no_failure_and_one_that_failed_is(visit, standing_gateway):
    chat = visit(standing_gateway, session="refused").ready()
    chat.send("use the tool")
    question = chat.page.locator(".approval")
    expect(question.get_by_role("button", name="Deny")).to_be_visible()
    expect(question.locator("pre")).to_have_count(1)  # what the call is, once
    expect(question.locator("dd")).to_have_count(0)
    question.get_by_role("button", name="Deny").click()
    chat.answered()
    card = chat.page.locator(".tool")
    expect(card).to_have_attribute("data-state", "denied")
    expect(card.locator("summary")).to_contain_text("denied")
    expect(card.locator(".tool-failed")).to_have_count(0)
    expect(chat.replies.last).to_contain_text("You did not allow it")
    chat.page.reload()
    expect(card.locator("summary")).to_contain_text("denied")
    card.locator("summary").click()
    expect(card).to_contain_text("Not run: you denied it.")
    expect(card).not_to_contain_text("Do not try it again")

    chat.send("[[tool=demo_calculate]][[expression=1/0]]")
    question.get_by_role("button", name="Allow once").click()
    expect(card.last).to_have_attribute("data-state", "failed")
    expect(card.last.locator("summary")).to_contain_text("failed")
    chat.answered()


def test_an_answer_has_versions_and_a_message_can_come_back(visit, standing_gateway):
    chat = visit(standing_gateway, session="versions").ready()
    chat.ask("[[text=An answer.]]")
    answer = chat.page.locator("article.assistant").last
    answer.hover()
    answer.get_by_role("button", name="Regenerate").click()
    expect(chat.composer).to_be_focused()
    versions = chat.page.get_by_role("group", name="Versions")
    expect(versions).to_contain_text("2/2")
    chat.answered()
    versions.get_by_role("button", name="Previous version").click()
    expect(versions).to_contain_text("1/2")

    answer.get_by_role("button", name="More").click()
    chat.page.get_by_role("menuitem", name="Delete").click()
    expect(chat.toast).to_contain_text("deleted")
    expect(versions).to_have_count(0)
    chat.toast.get_by_role("button", name="Undo").click()
    expect(versions).to_be_visible()

    answer.get_by_role("button", name="More").click()
    chat.page.get_by_role("menuitem", name="Quote").click()
    expect(chat.composer).to_have_value("> An answer.\n\n")


def test_a_turn_is_copied_as_rich_text_and_as_markdown(visit, standing_gateway):
    chat = visit(standing_gateway, session="copy").ready()
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chat.ask("[[text=start]]")
    chat.fill("copy", ["**Bold** and\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```py\nprint(1)\n```"])
    answer = chat.page.locator("article.assistant").last
    answer.hover()
    answer.locator("[data-action=copy]").click()
    expect(answer.locator("[data-action=copy]")).to_have_attribute("aria-label", "Copied")
    kinds = chat.page.evaluate("""async () => {
        const [item] = await navigator.clipboard.read();
        const text = async (type) => (await item.getType(type)).text();
        return [await text("text/html"), await text("text/plain")];
    }""")
    assert "<strong>Bold</strong>" in kinds[0]
    assert "<td>1</td>" in kinds[0]
    assert "Copy" not in kinds[0]
    assert kinds[1].startswith("**Bold** and")


def test_what_a_failure_says_to_do_is_in_the_language_of_the_page_and_stop_always_answers(visit, standing_gateway):
    chat = visit(standing_gateway, session="hints", locale="en-US").ready()
    chat.send("error 529 [[first_ms=0]]")
    card = chat.page.locator(".error-card")
    expect(card).to_contain_text("Send the message again in a few minutes", timeout=20_000)
    chat.send("/stop")
    expect(chat.toast).to_contain_text("No answer is being generated right now.")
    chat.send("slow")
    expect(chat.replies.last).to_contain_text("One word")
    chat.send("/stop")
    expect(chat.toast.last).to_contain_text("Stopped")
    expect(chat.page.locator(".mark")).to_contain_text("Stopped")
    later = visit(standing_gateway, session="hints", locale="ko-KR").ready()
    expect(later.page.locator(".error-card")).to_contain_text("몇 분 뒤에 메시지를 다시 보내거나")
