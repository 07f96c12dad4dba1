"""Parts shared by all client commands: ``--url``, ``--token``, ``--password`` and ``--json``, and a connected
client."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from ..client.endpoint import Endpoint, locate
from ..client.errors import MALFORMED, NotUnderstood
from ..client.session_title import main_key
from ..config import load
from ..escapes import one_line
from .exit_codes import EXPECTED
from .printing import language, say

if TYPE_CHECKING:
    from ..client.gateway_client import GatewayClient
    from .ssh.tunnel import Remote

T = TypeVar("T")
Command = Callable[..., Any]


class Target(NamedTuple):
    """The gateway as the command line names it; ``None`` where it does not."""

    url: str | None = None
    token: str | None = None
    password: str | None = None
    tls_fingerprint: str | None = None

    def locate(self) -> Endpoint:
        """Raises as ``endpoint.locate``, and ``ConfigError``; with ``--ssh``, ``SshError``."""
        if (remote := over_ssh()) is not None:
            if self.url is not None:
                raise click.UsageError(say("usage.sshAndUrl"))
            return remote.endpoint(self.token, self.password)
        return locate(
            load(), url=self.url, token=self.token, password=self.password, tls_fingerprint=self.tls_fingerprint
        )

    def again(self) -> Callable[[], Endpoint] | None:
        """Function that finds the gateway's present address; ``None`` over SSH, whose tunnel leads to one place."""
        return self.locate if over_ssh() is None else None


def over_ssh() -> Remote | None:
    """The target of the program's ``--ssh``."""
    context = click.get_current_context(silent=True)
    found: Remote | None = context.find_root().obj if context is not None else None
    return found


@contextlib.contextmanager
def understood() -> Iterator[None]:
    """Turn what reading an answer of a wrong shape raises into ``NotUnderstood``; ``python -X dev`` shows it as it is.

    Raises:
        NotUnderstood: an answer is not of this protocol.
    """
    try:
        yield
    except EXPECTED:
        raise
    except MALFORMED as exc:
        if sys.flags.dev_mode:
            raise
        raise NotUnderstood(f"{type(exc).__name__}: {one_line(str(exc), 80)}") from exc


def gateway_options(command: Command) -> Command:
    """Give ``command`` the options that say which gateway, as its argument ``target``."""

    @functools.wraps(command)
    def with_target(
        *args: Any, url: str | None, token: str | None, password: str | None, tls_fingerprint: str | None, **more: Any
    ) -> Any:
        with understood():
            return command(*args, target=Target(url, token, password, tls_fingerprint), **more)

    options = (
        click.option("--url", metavar="URL", help=say("help.url")),
        click.option("--token", metavar="TOKEN", help=say("help.token")),
        click.option("--password", metavar="PASSWORD", help=say("help.password")),
        click.option("--tls-fingerprint", metavar="SHA256", help=say("help.tlsFingerprint")),
    )
    for option in reversed(options):
        with_target = option(with_target)
    return with_target


def json_option(command: Command) -> Command:
    """Give ``command`` the option ``--json``, as its argument ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help=say("help.json"))(command)


def with_client(target: Target, work: Callable[[GatewayClient], Awaitable[T]]) -> T:
    """Connect, do ``work``, disconnect. Raises what connecting, the gateway and ``work`` raise."""
    import asyncio  # with the client, a third of a start: commands that do not connect do without

    from ..client.gateway_client import GatewayClient

    endpoint = target.locate()
    keep_quiet()

    async def main() -> T:
        async with GatewayClient(endpoint, locale=language(), locate=target.again()) as client:
            return await work(client)

    return asyncio.run(main())


def call_listing(target: Target, method: str, **params: Any) -> tuple[Any, str]:
    """As ``call``, with the key of that gateway's main session: what lists sessions names them."""
    given = {name: value for name, value in params.items() if value is not None}

    async def ask(client: GatewayClient) -> tuple[Any, str]:
        return await client.request(method, given), main_key(client.hello)

    return with_client(target, ask)


def keep_quiet() -> None:
    """Keep what Tornado logs of a failed connection off the terminal: the exception is told, in one line."""
    import logging

    tornado = logging.getLogger("tornado")
    if not tornado.handlers:
        tornado.addHandler(logging.NullHandler())


def call(target: Target, method: str, **params: Any) -> Any:
    """One request on a connection of its own; parameters that are ``None`` are left out."""
    given = {name: value for name, value in params.items() if value is not None}
    return with_client(target, lambda client: client.request(method, given))
