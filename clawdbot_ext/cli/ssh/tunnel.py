"""``clawdbot tunnel`` and ``clawdbot --ssh``: a gateway on another machine, through the system's ssh.

The forward lives as long as its standard input: it runs ``cat`` on the other side, and when this process ends in
whatever way, the pipe closes, ``cat`` ends and ssh with it. Nothing is left that holds the port.
"""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from typing import IO, Any

import click

from ...client.endpoint import Endpoint
from ...client.tls import pinned
from ...config import program_environment
from ...runtime.browser import open_page
from .. import exit_codes
from ..printing import note, out, print_json, say
from .process import REMOTE_COMMAND, Host, HostType, RemoteGateway, SshError, explain, find, may_ask, program, tell

OPEN_S = 30.0
OPEN_ASKING_S = 180.0
POLL_S = 0.05
PROBE_S = 5.0
END_S = 3.0
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.5, 30.0
LOCAL = "127.0.0.1"


class Tunnel:
    """One port of this machine that leads to ``gateway`` on ``host``."""

    def __init__(self, host: Host, gateway: RemoteGateway, port: int | None = None):
        """``port``: the local one; ``None`` takes the gateway's own number where it is free here, else any."""
        self.host, self.gateway = host, gateway
        self.port = port if port is not None else _free_port(gateway.port)
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._closed = threading.Event()

    @property
    def page_url(self) -> str:
        return f"{self.gateway.scheme}://{LOCAL}:{self.port}{self.gateway.root}"

    @property
    def login_url(self) -> str:
        """The page, logged in; works once."""
        return f"{self.page_url}chat?{self.gateway.query}"

    def open(self, *, asking: bool) -> None:
        """Start ssh and wait until the gateway answers through it. Raises ``SshError``."""
        self._start(asking=asking, behind=False)

    def keep(self, told: Callable[[str], None]) -> None:
        """Bring the connection back whenever it ends, until ``close``; ``told`` hears of it.

        Raises:
            SshError: coming back cannot help (another host key, no longer let in).
        """
        while not self._closed.is_set():
            if self._process is not None:
                self._process.wait()
            if self._closed.is_set():
                return
            told(tell("tunnel.lost", host=self.host))
            self._come_back(told)

    def keep_behind(self) -> None:
        """``keep`` in a thread; a lasting failure is seen by the user of the connection."""

        def work() -> None:
            try:
                self.keep(lambda _: None)
            except SshError as exc:
                note(exc.message)

        threading.Thread(target=work, name="ssh tunnel", daemon=True).start()

    def close(self) -> None:
        """End ssh, and wait until it has."""
        self._closed.set()
        self._end()

    def log_in(self) -> str:
        """Exchange the one-time code for a login cookie (``name=value``). Raises ``SshError``."""
        try:
            answer = self._get(f"chat?{self.gateway.query}")
        except (OSError, http.client.HTTPException) as exc:
            raise SshError("failed", host=self.host, problem=exc) from exc
        cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        if not cookie:
            raise SshError("noLogin", exit_codes.UNAUTHORIZED, host=self.host)
        return cookie

    # -- ssh --------------------------------------------------------------------------------------------------------
    def _start(self, *, asking: bool, behind: bool) -> None:
        forward = f"{LOCAL}:{self.port}:{self.gateway.address}:{self.gateway.port}"
        # No shared connection: a forward made through a master outlives the ssh that asked for it.
        words = self.host.call("ExitOnForwardFailure=yes", "ControlMaster=no", "ControlPath=none", asking=asking)
        place = len(program())
        words[place:place] = ["-L", forward]
        if not _is_free(self.port):  # before ssh finds out, another program's answer could pass for the gateway's
            raise SshError("port", exit_codes.FAILED, port=self.port)
        if self._said is not None:
            self._said.close()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process that writes it
        try:
            self._process = _spawn([*words, "exec cat >/dev/null"], self._said, behind=behind)
        except FileNotFoundError:
            raise SshError("noSsh", program=words[0]) from None
        try:
            self._await(OPEN_ASKING_S if asking else OPEN_S)
        except BaseException:
            self._end()
            raise

    def _await(self, seconds: float) -> None:
        process = self._process
        assert process is not None
        ends = time.monotonic() + seconds
        while process.poll() is None:
            try:
                self._get("healthz")
                return
            except (OSError, http.client.HTTPException):
                problem = explain(self.host, self._words(), port=self.port)
                if problem.kind in ("forbidden", "gatewayGone"):  # ssh is there, and says so of each attempt
                    raise problem from None
            if time.monotonic() > ends:
                raise SshError("slow", host=self.host, seconds=f"{seconds:g}")
            if self._closed.wait(POLL_S):
                return
        raise explain(self.host, self._words(), port=self.port)

    def _words(self) -> str:
        """The end of what ssh has written so far. Its place in the file is ssh's own and stays."""
        assert self._said is not None
        size = os.fstat(self._said.fileno()).st_size
        return os.pread(self._said.fileno(), 8192, max(0, size - 8192)).decode("utf-8", "replace")

    def _come_back(self, told: Callable[[str], None]) -> None:
        limit = BACKOFF_FIRST_S
        while not self._closed.wait(random.uniform(BACKOFF_FIRST_S / 2, limit)):
            try:
                self._start(asking=False, behind=True)
            except SshError as exc:
                if exc.final:
                    raise
                limit = min(BACKOFF_MAX_S, limit * 2)
                told(exc.message)
            else:
                if not self._closed.is_set():
                    told(tell("tunnel.back", url=self.page_url))
                return

    def _end(self) -> None:
        process, said = self._process, self._said
        if process is None or said is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._closed.is_set():
            said.close()

    def _get(self, path: str) -> http.client.HTTPResponse:
        """Ask the gateway through the tunnel. Its certificate must be the one that it told over ssh; where it told
        none, ssh has proved which machine it is."""
        if self.gateway.scheme == "https":
            known = self.gateway.tls_fingerprint
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                LOCAL,
                self.port,
                timeout=PROBE_S,
                context=pinned(known) if known else ssl._create_unverified_context(),  # noqa: S323
            )
        else:
            connection = http.client.HTTPConnection(LOCAL, self.port, timeout=PROBE_S)
        try:
            connection.request("GET", f"{self.gateway.root}{path}")
            answer = connection.getresponse()
            answer.read()
            return answer
        finally:
            connection.close()


def _spawn(words: list[str], said: IO[bytes], *, behind: bool) -> subprocess.Popen[bytes]:
    """Start ssh so that Ctrl+C is ours alone: it stops a reply in ``clawdbot chat`` and must not cut the connection.

    In front ssh stays in the terminal's group, in order to ask for a password, and ignores the signal. ``behind``
    (another thread, where signals cannot be set) it has a session of its own.
    """
    if behind or threading.current_thread() is not threading.main_thread():
        return subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
            env=program_environment(),
        )
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, env=program_environment()
        )
    finally:
        signal.signal(signal.SIGINT, before)


def _free_port(wanted: int) -> int:
    """``wanted`` where no program listens on it, so that the page keeps its address from day to day; else any."""
    if _is_free(wanted):
        return wanted
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        number: int = probe.getsockname()[1]
        return number


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCAL, port))
        except OSError:  # in use, or a number below 1024 that this account may not take
            return False
        return True


class Remote:
    """The tunnel that ``--ssh`` names: opened when a command first asks for it, closed with the program."""

    def __init__(self, host: Host, remote_command: str):
        self._host, self._command = host, remote_command
        self._tunnel: Tunnel | None = None
        self._endpoint: Endpoint | None = None

    def endpoint(self, token: str | None, password: str | None) -> Endpoint:
        """The gateway at the other end. Raises ``SshError``."""
        if self._endpoint is None:
            asking = may_ask()
            self._tunnel = tunnel = Tunnel(self._host, find(self._host, self._command, asking=asking))
            tunnel.open(asking=asking)
            page = tunnel.page_url
            cookie = None if token or password else tunnel.log_in()
            self._endpoint = Endpoint(
                f"ws{page.removeprefix('http')}ws",
                page,
                token,
                password,
                cookie=cookie,
                tls_fingerprint=tunnel.gateway.tls_fingerprint,
            )
            tunnel.keep_behind()
        return self._endpoint

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._tunnel is not None:
            self._tunnel.close()


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


@click.command("tunnel", help=tell("help.tunnel"), short_help=say("short.tunnel"))
@click.argument("host", type=HostType(), metavar="[USER@]HOST[:PORT]")
@click.option("--local-port", type=click.IntRange(1, 65535), help=tell("help.tunnel.localPort"))
@click.option("--remote-command", metavar="COMMAND", default=REMOTE_COMMAND, help=tell("help.remoteCommand"))
@click.option("--no-browser", is_flag=True, help=tell("help.tunnel.noBrowser"))
@click.option("--json", "as_json", is_flag=True, help=tell("help.tunnel.json"))
def command(host: Host, local_port: int | None, remote_command: str, no_browser: bool, as_json: bool) -> None:
    """Keep a way to the gateway of another machine open, and open its page."""
    asking = may_ask()
    tunnel = Tunnel(host, find(host, remote_command, asking=asking), local_port)
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        tunnel.open(asking=asking)
        if as_json:
            print_json({"url": tunnel.login_url, "pageUrl": tunnel.page_url, "port": tunnel.port})
        else:
            out(tunnel.login_url)
        if not (no_browser or as_json or open_page(tunnel.login_url, stays=True)):
            note(tell("tunnel.noBrowser"))
        note(tell("tunnel.open", host=host))
        tunnel.keep(note)
    finally:
        tunnel.close()
        for number, handler in before.items():
            signal.signal(number, handler)
