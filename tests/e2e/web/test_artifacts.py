"""A model's artifacts can be looked at and do nothing: frames without origin and network, links that mislead."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

FAR = "http://canary.invalid/"
HTML = f"""```html
<h1>Hello</h1><img src="{FAR}img"><script>
let told = [];
try {{ localStorage.length; told.push("storage") }} catch {{ told.push("no storage") }}
try {{ parent.document.title; told.push("parent") }} catch {{ told.push("no parent") }}
fetch("{FAR}fetch").then(() => told.push("network"), () => told.push("no network"))
  .then(() => document.body.append(told.join(", ")));
</script>
```"""
HOSTILE = [
    "<script>owned=1</script><img src=x onerror=owned=1><svg onload=owned=1></svg>",
    f"![x]({FAR}md) ![x][ref]\n\n[ref]: {FAR}ref",
    f"<img srcset='{FAR}a 1x'><video poster={FAR}b></video><link rel=prefetch href={FAR}c>",
    f"<style>*{{background:url({FAR}d)}}</style><base href={FAR}>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=owned=1>",
    "$\\href{javascript:owned=1}{x}$ $\\unknown<img src=x onerror=owned=1>$",
    "```mermaid\ngraph TD; A[<img src=x onerror=owned=1>]\n```",
    "[click](javascript:owned=1) <a id=x name=y data-commandlinker-command=z>q</a>",
    "<iframe srcdoc='<script>parent.owned=1</script>'></iframe>",
]


def show(chat, text: str, session: str):
    chat.fill(session, [text])
    frame = chat.replies.last.locator(".code").last
    frame.get_by_role("button", name="Show").click()
    return frame


@pytest.fixture
def chat(visit, standing_gateway):
    chat = visit(standing_gateway, session="artifacts").ready()
    chat.ask("[[text=start]]")
    return chat


def test_a_document_runs_in_a_frame_without_origin_and_network(chat):
    refused = []
    chat.page.on("requestfailed", lambda request: refused.append((request.url, request.failure)))
    frame = show(chat, HTML, "artifacts")
    inside = frame.frame_locator("iframe").frame_locator("iframe")
    expect(inside.get_by_role("heading", name="Hello")).to_be_visible()
    expect(inside.locator("body")).to_contain_text("no storage, no parent, no network")
    assert frame.locator("iframe").get_attribute("sandbox") == "allow-scripts"
    tried = {url for url in chat.requests if url.startswith(FAR)}
    assert all((url, "csp") in refused for url in tried), refused
    frame.get_by_role("button", name="Hide").click()
    expect(frame.locator("iframe")).to_have_count(0)
    note = re.compile("can still connect to hosts they name")  # test_preview_network.py
    expect(frame.get_by_role("button", name="Show")).to_have_attribute("title", note)
    chat.complaints.clear()  # what the document tried was refused loudly


HOST = """content => {
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts");
    addEventListener("message", ({ source, data }) => {
        if (source !== frame.contentWindow || data.clawdbotFrame !== 0) return;
        source.postMessage({ kind: "html", content }, "*");
    });
    frame.src = "frame";
    document.body.append(frame);
}"""
"""The page's own handling, on a page that has no policy of its own: a JupyterLab."""


@pytest.mark.parametrize(
    "leave",
    [
        f"<script>location = '{FAR}here'</script>",
        f"<script>document.head.innerHTML = `<meta http-equiv=refresh content='0;url={FAR}here'>`</script>",
        f"<a href='{FAR}here'>x</a><script>document.querySelector('a').click()</script>",
    ],
)
def test_a_document_cannot_leave_for_another_address_in_a_jupyterlab_either(browser, standing_gateway, leave):
    with browser.new_context(service_workers="block") as context:
        page, gone = context.new_page(), []
        page.route(f"{standing_gateway.url}lab", lambda route: route.fulfill(content_type="text/html", body="<p>Lab"))
        page.route(f"{FAR}**", lambda route: (gone.append(route.request.url), route.fulfill(body="left")))
        page.goto(f"{standing_gateway.url}lab")
        with page.expect_console_message(lambda message: "Content Security Policy" in message.text, timeout=20_000):
            page.evaluate(HOST, leave)
        assert gone == [] and not [frame.url for frame in page.frames if frame.url.startswith(FAR)]


def test_a_diagram_is_drawn_and_a_wrong_one_says_so(chat):
    frame = show(chat, "```mermaid\ngraph TD; A[Data] --> B[Model]\n```", "artifacts")
    drawn = frame.frame_locator("iframe").frame_locator("iframe").locator("svg")
    expect(drawn).to_contain_text("Model", timeout=15_000)
    wrong = show(chat, "```mermaid\ngraph TD; A[[[\n```", "artifacts")
    expect(wrong.locator(".artifact")).to_contain_text("preview failed", timeout=15_000)
    chat.complaints.clear()


def test_hostile_replies_run_nothing_and_fetch_nothing(chat):
    chat.fill("artifacts", HOSTILE)
    expect(chat.replies.last).to_be_visible()
    chat.page.reload()
    expect(chat.replies.last).to_contain_text("parent.owned")
    chat.page.wait_for_load_state("networkidle")
    assert chat.page.evaluate("window.owned") is None
    assert [url for url in chat.requests if not url.startswith((chat.gateway.url, "data:", "blob:"))] == []


def test_a_link_that_says_another_place_than_it_leads_to_is_asked_about(chat):
    chat.fill("artifacts", [f"[bank.example/login]({FAR}login)"])
    chat.replies.last.get_by_role("link").click()
    asked = chat.page.get_by_role("alertdialog", name="Open this address?")
    expect(asked).to_contain_text("canary.invalid")
    asked.get_by_role("button", name="Cancel").click()
    expect(asked).to_have_count(0)
    assert len(chat.page.context.pages) == 1


def test_where_a_home_forbids_frames_it_says_where_the_drawing_can_be_seen(chat, standing_gateway):
    chat.page.evaluate("""() => document.head.append(Object.assign(document.createElement("meta"),
        { httpEquiv: "Content-Security-Policy", content: "frame-src 'none'" }))""")
    code = show(chat, "```svg\n<svg></svg>\n```", "artifacts")
    link = code.get_by_role("link", name="Open the chat in a tab")
    expect(link).to_have_attribute("href", f"{standing_gateway.url}chat?session=agent%3Amain%3Aartifacts")
    expect(code.locator("iframe")).to_have_count(0)
    assert all("frame-src" in complaint for complaint in chat.complaints)
    chat.complaints.clear()
