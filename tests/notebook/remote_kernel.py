"""A page that is none of Jupyter's, as VS Code and Colab are: it shows widgets by the anywidget specification, talks to
the kernel by comms only, and can reach no server."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser, Page, Route

from .kernel import Kernel

ADDRESS = "https://elsewhere.test/"
LIMIT_S = 60.0
HOST = """<!doctype html><meta charset="utf-8"><title>elsewhere</title><div id="cell"></div><script type="module">
const listeners = new Map();
const of = (name) => listeners.get(name) ?? listeners.set(name, new Set()).get(name);
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
window.show = async ({ _esm, ...state }) => {
  let changed = {};
  const model = {
    get: (name) => state[name],
    set: (name, value) => { state[name] = changed[name] = value; },
    save_changes: () => { window.toKernel({ method: "update", state: changed, buffer_paths: [] }); changed = {}; },
    send: (content) => window.toKernel({ method: "custom", content }),
    on: (name, listener) => of(name).add(listener),
    off: (name, listener) => of(name).delete(listener),
  };
  const module = await import(URL.createObjectURL(new Blob([_esm], { type: "text/javascript" })));
  await module.default.render({ model, el: document.getElementById("cell") });
};
window.fromKernel = (content, buffers) => of("msg:custom").forEach((heard) => heard(content, buffers.map(bytes)));
</script>"""


class Elsewhere:
    """One widget of ``kernel`` on such a page."""

    def __init__(self, browser: Browser, kernel: Kernel):
        self.kernel = kernel
        self.wanted: list[str] = []
        """Addresses that the page tried to reach, in vain."""
        self._context = browser.new_context(locale="en-US", viewport={"width": 700, "height": 640})
        self.page: Page = self._context.new_page()
        self.page.route("**/*", self._serve)
        self.page.on("websocket", lambda socket: self.wanted.append(socket.url))
        self.page.expose_function("toKernel", lambda data: kernel.tell(self._comm, data))
        self.page.goto(ADDRESS)
        self._comm = ""
        self._heard = 0

    def show(self) -> None:
        """Draw the widget that the kernel made last."""
        opened = [
            m["content"]
            for m in self.kernel.comms
            if m["msg_type"] == "comm_open" and "_esm" in m["content"]["data"]["state"]
        ][-1]
        self._comm = opened["comm_id"]
        self.page.evaluate("(state) => { void window.show(state); }", opened["data"]["state"])

    def until(self, condition: Callable[[], bool]) -> None:
        """Carry what the kernel says to the page until ``condition`` holds."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline, f"it did not come to that: {self.page.content()[:2000]}"
            self.kernel.listen()
            for message in self.kernel.comms[self._heard :]:
                self._heard += 1
                self._carry(message)
            self.page.wait_for_timeout(20)  # what the page sends comes in here

    def _carry(self, message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "comm_msg" and content["comm_id"] == self._comm:
            data = content["data"]
            if data.get("method") == "custom":
                buffers = [base64.b64encode(bytes(each)).decode() for each in message["buffers"]]
                self.page.evaluate(
                    "([content, buffers]) => window.fromKernel(content, buffers)",
                    [json.loads(json.dumps(data["content"])), buffers],
                )

    def _serve(self, route: Route) -> None:
        if route.request.url == ADDRESS:
            route.fulfill(body=HOST, content_type="text/html")
        else:
            self.wanted.append(route.request.url)
            route.abort()

    def close(self) -> None:
        self._context.close()
