"""Hostile replies in a real browser: wherever a reply is cut while it streams, nothing in it runs or is fetched."""

from __future__ import annotations

import random

from tests.support.hostile import corpus

SHORT, PLACES = 400, 20
"""Characters up to which a text is cut everywhere; how often a longer one is. ``hostile.test.ts`` cuts all up to 2 KB
everywhere, and longer ones at 200 places."""
SHOW = """async ([text, cuts]) => {
    const room = document.querySelector("clawdbot-chat").shadowRoot.querySelector(".app");
    const wrong = [];
    document.addEventListener("securitypolicyviolation", (event) => wrong.push(event.violatedDirective));
    const views = [];
    const view = () => {
        const made = document.createElement("clawdbot-markdown");
        room.append(made);
        views.push(made);
        return made;
    };
    const growing = view();
    for (const cut of cuts) {
        growing.show(text.slice(0, cut), true);
        const once = view(); // cut once, and ended or not
        once.show(text.slice(0, cut), true);
        once.show(text, cut % 2 === 0);
    }
    growing.show(text, false);
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    for (const made of views) for (const element of made.querySelectorAll("*"))
        for (const { name } of element.attributes) if (name.startsWith("on")) wrong.push(name);
    for (const kind of ["mouseover", "focus", "load", "error"])
        for (const element of growing.querySelectorAll("*")) element.dispatchEvent(new Event(kind));
    await frame();
    views.forEach((made) => made.remove());
    if (window.owned !== undefined) wrong.push("a script ran");
    return wrong;
}"""


def cuts(text: str) -> list[int]:
    if len(text) <= SHORT:
        return list(range(len(text) + 1))
    return sorted(random.Random(4).choices(range(len(text) + 1), k=PLACES))


def test_nothing_runs_and_nothing_is_fetched_wherever_a_reply_is_cut(visit, standing_gateway):
    chat = visit(standing_gateway, session="hostile").ready()
    chat.ask("[[text=" + "\n\n".join(text for text in corpus() if len(text) < 100 and "]" not in text) + "]]")
    dialogs: list[str] = []
    chat.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for text in corpus():
        assert chat.page.evaluate(SHOW, [text, cuts(text)]) == [], text
    chat.page.reload()
    chat.ready()
    assert chat.page.evaluate("window.owned") is None
    assert dialogs == [] and len(chat.page.context.pages) == 1
    ours = (chat.gateway.url, chat.gateway.ws_url, "blob:", "data:")
    assert [url for url in chat.requests if not url.startswith(ours)] == []
    for link in chat.replies.locator("a").all():
        assert (link.get_attribute("href") or "").startswith("http")
