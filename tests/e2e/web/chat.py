"""The page as a person uses it: what one sees and does, in words."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.support.server import GatewayProcess

REPLY_MS = 60_000
FILL = """async ([url, session, texts]) => {
    const socket = new WebSocket(url), open = new Map();
    let next = 1;
    const ask = (method, params) => new Promise((resolve) => {
        open.set(String(next), resolve);
        socket.send(JSON.stringify({type: "req", id: String(next++), method, params}));
    });
    await new Promise((resolve) => {
        socket.onmessage = ({data}) => {
            const frame = JSON.parse(data);
            if (frame.event === "connect.challenge") resolve();
            if (frame.type === "res") open.get(frame.id)(frame);
        };
    });
    const client = {id: "test", version: "1", platform: "test", mode: "test"};
    await ask("connect", {minProtocol: 3, maxProtocol: 3, client, role: "operator"});
    for (let at = 0; at < texts.length; at += 20)
        await Promise.all(texts.slice(at, at + 20).map(
            (message) => ask("chat.inject", {sessionKey: session, message})));
    socket.close();
}"""
"""Puts messages into a session by a socket of its own, with the cookie of the page."""
RESTING = """(scroller) => new Promise((done) => {
    let last = NaN, same = 0;
    const look = () => {
        same = scroller.scrollTop === last ? same + 1 : 0;
        last = scroller.scrollTop;
        if (same < 5) requestAnimationFrame(look);
        else done([last, scroller.scrollHeight - scroller.clientHeight - last]);
    };
    look();
})"""
"""Position of the conversation, once it has stood still for five frames: pixels from its beginning and to its end."""
_LOST = re.compile(
    r"net::ERR_|WebSocket connection to|the server responded with a status of (401|429)|"
    r"error occurred when fetching the script"
)  # the worker, asked for news while no page is there


class Chat:
    """One tab. Locators look through the element's open shadow root."""

    def __init__(self, page: Page, gateway: GatewayProcess):
        self.page, self.gateway = page, gateway
        self.complaints: list[str] = []
        """Errors of the console, without those of a connection that a test cut on purpose."""
        self.requests: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._console(message.type, message.text))

    def _console(self, kind: str, text: str) -> None:
        if kind == "error" and not _LOST.search(text):
            self.complaints.append(text)

    def open(self, path: str = "chat") -> None:
        self.page.goto(self.gateway.url + path)

    # -- what there is ------------------------------------------------------------------------------------------------
    @property
    def composer(self) -> Locator:
        return self.page.locator("#composer")

    @property
    def turns(self) -> Locator:
        return self.page.locator("article")

    @property
    def mine(self) -> Locator:
        return self.page.locator("article.user .bubble")

    @property
    def replies(self) -> Locator:
        return self.page.locator("article.assistant .reply")

    @property
    def streaming(self) -> Locator:
        """The reply that is being written."""
        return self.page.locator("article[aria-busy]")

    @property
    def sessions(self) -> Locator:
        return self.page.locator(".session")

    @property
    def toast(self) -> Locator:
        return self.page.locator(".toast")

    @property
    def banner(self) -> Locator:
        return self.page.locator(".banner")

    @property
    def status(self) -> Locator:
        """The texts that a screen reader is told."""
        return self.page.locator("p.sr[role=status]")

    def rests(self) -> tuple[float, float]:
        """Pixels above and below the view, once nothing moves."""
        above, below = self.page.locator(".scroller").evaluate(RESTING)
        return above, below

    # -- what one does ------------------------------------------------------------------------------------------------
    def ready(self) -> Chat:
        """Wait until one can send."""
        expect(self.page.locator(".connection[data-open=true]")).to_be_visible()
        expect(self.page.locator(".skeleton")).to_have_count(0)
        return self

    def at_hand(self) -> Chat:
        """Wait until everything about the message field is loaded."""
        expect(self.ready().page.locator("clawdbot-composer-menu:defined")).to_be_attached()
        return self

    def write(self, text: str) -> None:
        self.composer.fill(text)

    def send(self, text: str) -> None:
        """Write and press Enter."""
        self.write(text)
        self.composer.press("Enter")

    def ask(self, text: str) -> None:
        """Send, and wait for the whole answer."""
        before = self.replies.count()
        self.send(text)
        expect(self.replies).to_have_count(before + 1)
        self.answered()

    def answered(self) -> None:
        expect(self.streaming).to_have_count(0, timeout=REPLY_MS)

    def fill(self, session: str, texts: list[str]) -> None:
        """Put replies into a session, behind the back of the page."""
        self.page.evaluate(FILL, [self.gateway.ws_url, session, texts])

    def new(self) -> None:
        """Open a new session."""
        self.page.get_by_role("button", name="New session").first.click()
        expect(self.page.locator(".greeting")).to_be_visible()

    def act(self, title: str, action: str) -> None:
        """Choose an action of a session's menu."""
        row = self.page.locator(".sessions li", has_text=title)
        row.hover()
        row.locator(".session-more").click()
        self.page.get_by_role("menuitem", name=action).click()
