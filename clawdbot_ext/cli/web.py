"""``clawdbot web``: open the Control UI, or the chat alone, logged in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import click

from ..runtime.browser import open_page
from .connection import Target, call, gateway_options, json_option
from .printing import note, out, print_json, say


@click.command("web", help=say("help.web"), short_help=say("short.web"))
@click.option("--print", "print_only", is_flag=True, help=say("help.web.print"))
@click.option("--chat", "chat_only", is_flag=True, help=say("help.web.chat"))
@json_option
@gateway_options
def command(target: Target, print_only: bool, chat_only: bool, as_json: bool) -> None:
    """Mint a login link for one use and open it. On a JupyterHub the Hub logs in, so there it is the page's address."""
    gateway = target.locate()
    link: dict[str, Any] = {"path": "chat", "expiresAt": None} if gateway.hub else call(target, "auth.link")
    url = gateway.page_url + (link["path"] if chat_only else link["path"].removeprefix("chat"))
    if gateway.hub == "hidden":
        url = urlsplit(url).path
    if as_json:
        print_json(
            {
                "url": url,
                "expiresAt": link["expiresAt"],
                **({"tlsFingerprint": gateway.tls_fingerprint} if gateway.tls_fingerprint else {}),
            }
        )
        return
    out(url)
    if gateway.hub:
        note(say(f"web.hub.{gateway.hub}"))
    if print_only or gateway.hub:
        return
    note(say("web.opened") if open_page(url) else say("web.noBrowser"))
