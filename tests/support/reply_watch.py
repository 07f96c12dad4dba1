"""A page that notes each text of its last reply with its own time: what a person sees while a gateway dies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

_WATCH = """() => {
    const root = document.querySelector("clawdbot-chat").shadowRoot;
    const seen = window.seen = [];
    const look = () => {
        const replies = root.querySelectorAll("article.assistant .reply");
        const text = replies.length ? replies[replies.length - 1].textContent.trim() : "";
        if (text !== seen.at(-1)?.text) seen.push({at: Date.now(), text});
    };
    look();
    window.watcher?.disconnect();
    window.watcher = new MutationObserver(look);
    window.watcher.observe(root, {subtree: true, childList: true, characterData: true});
}"""
_PID = (
    """() => document.querySelector("clawdbot-chat").controller.client.request("gateway.info").then(({pid}) => pid)"""
)

Seen = Sequence[Mapping[str, Any]]
"""Texts (``text``) in the order in which they came, each with its time (``at``, milliseconds since 1970)."""


def watch(page: Page) -> None:
    """Begin to note, with the text that is there."""
    page.evaluate(_WATCH)


def seen(page: Page) -> Seen:
    return page.evaluate("seen")


def gateway_pid(page: Page) -> int:
    """The process at which the page's socket is."""
    return page.evaluate(_PID)


def pause_ms(texts: Seen, since: float) -> float:
    """The longest time after ``since`` in which the reply stood still."""
    times = [max(each["at"], since) for each in texts]
    return max(after - before for before, after in pairwise(times))


def words(count: int) -> str:
    """The beginning of a reply to ``[[tokens=…]]``."""
    return " ".join(f"t{number}" for number in range(count))
