"""``clawdbot token``, ``clawdbot password`` and ``clawdbot logout``: the secret, and who has logged in with it."""

from __future__ import annotations

import sys

import click

from .. import config as settings
from ..gateway.access.rotation import rotate_token, store_password
from ..runtime import server_info
from ..runtime.secrets import local_token
from .config import say_what_follows
from .connection import Target, call, gateway_options, json_option, over_ssh
from .printing import note, out, print_json, say


@click.group("token", help=say("help.token.group"))
def token() -> None:
    """See ``help``."""


@token.command("rotate", help=say("help.token.rotate"))
@json_option
@gateway_options
def rotate(target: Target, as_json: bool) -> None:
    """By the gateway that runs, which closes its sockets; else in the state directory."""
    config = settings.load()
    here = target.url is None and not config["gateway.remote.url"] and over_ssh() is None
    alone = here and not server_info.lock_held(config)
    made = rotate_token(config) if alone else call(target, "auth.rotate").get("token")
    if made is None and here:  # by the password, which does not get it: on this machine it can be read
        made = settings.load()["gateway.auth.token"] or local_token(config)
    if made is None and not as_json:
        note(say("token.rotatedThere"))
    elif as_json:
        print_json({"token": made})
    else:
        out(made)
        note(say("token.rotated"))


@click.group("password", help=say("help.password.group"))
def password() -> None:
    """See ``help``."""


@password.command("set", help=say("help.password.set"))
def set_() -> None:
    """Ask for it, twice; or read it from standard input, so that no process list and no history has it."""
    if sys.stdin.isatty():
        given = click.prompt(say("password.ask"), hide_input=True, confirmation_prompt=say("password.again"), err=True)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    store_password(settings.load(), given)
    out(say("password.set"))
    say_what_follows("gateway.auth")


@click.command("logout", help=say("help.logout"))
@json_option
@gateway_options
def logout(target: Target, as_json: bool) -> None:
    """End the logins of all browsers."""
    answer = call(target, "auth.logoutEverywhere")
    if as_json:
        print_json(answer)
    else:
        out(say("logout.done", count=answer["closed"]))
