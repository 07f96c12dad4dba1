"""Checks before anything is built: whether this process may be the gateway, and at which address.

The outcome is a ``Bootstrap`` (the configuration, the lock and listening sockets) or a ``StartupError`` (a text for the
user and the exit code). No other port or address than the one that was asked for is ever chosen.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import Config, ConfigError, load, secret_variables
from ..config.setting_types import wrong
from ..gateway.access.passwords import check_secret
from ..i18n import catalogue, environment_language
from ..protocol.errors import GatewayError
from ..runtime import server_info
from ..runtime.gateway_lock import GatewayLock, acquire, adopt
from ..runtime.paths import lock_path
from ..runtime.program import command
from . import hub_service, secret_handover
from .net import bind
from .net.tls import BadCertificate, Certificate, certificate
from .options import RESTARTED, Options

EXIT_RUNNING_ALREADY = 0
EXIT_FAILED = 1
EXIT_CONFIG = 78
EXIT_BUSY = 98
TAKEOVER_SECONDS = 12.0
"""Seconds that ``--force`` waits for the former gateway, which stops within 10 s."""

t = catalogue("server")


class StartupError(Exception):
    """Reason why this process does not become the gateway. ``text`` is for the terminal, ``open_url`` the page to open
    instead."""

    def __init__(self, text: str, exit_code: int, open_url: str = ""):
        super().__init__(text)
        self.text, self.exit_code, self.open_url = text, exit_code, open_url


@dataclass(frozen=True)
class Bootstrap:
    """Result of a successful bootstrap: this process is the gateway of ``config``'s state directory and listens on
    ``port`` of ``addresses``."""

    config: Config
    load: Callable[[], Config]
    """Reads the configuration again, with the same command line."""
    lock: GatewayLock
    addresses: bind.Addresses
    sockets: list[socket.socket]
    tls: Certificate | None
    """The certificate of the port; ``None`` for plain HTTP."""
    as_root: bool
    lang: str
    environment: Mapping[str, str]
    """The environment of the first start; ``os.environ``, which kernels inherit, has no secrets."""

    allow_root: bool = False

    def problem_of_restart(self) -> str:
        """Why a restart would fail with the present configuration, empty if it would not: asked before it stops."""
        try:
            config = self.load()
            addresses, _ = check_start(config, self.lang, allow_root=self.allow_root)
            if config["gateway.port"] not in (0, self.port):
                for taken in bind.listen(addresses, config["gateway.port"]):
                    taken.close()
        except ConfigError as exc:
            return t(self.lang, "start.config", problem=describe(exc, self.lang))
        except StartupError as exc:
            return exc.text
        except bind.NoAddress as exc:
            return t(self.lang, exc.key, **exc.facts)
        except bind.Busy as exc:
            return _port_in_use(exc, self.lang)
        except OSError as exc:
            return t(self.lang, "start.listen", port=self.port, problem=exc)
        return ""

    @property
    def port(self) -> int:
        port: int = self.sockets[0].getsockname()[1]
        return port

    def text(self, key: str, **facts: Any) -> str:
        """A text of the area ``server`` in the terminal's language."""
        return t(self.lang, key, **facts)


def bootstrap(options: Options, traits: Mapping[str, Any]) -> Bootstrap:
    """Read the configuration, take the lock and bind the sockets. ``traits`` are settings of Jupyter's configuration
    files by dotted name.

    Raises:
        StartupError: this process must not run; nothing is left locked or listening.
    """
    lang = environment_language()
    environment = {**os.environ, **secret_handover.received().environment}

    def read() -> Config:
        config = load(environment, flags=options.flags, traits=traits)
        if config["users.from"] != "hub":
            return config
        hub_service.check(environment)
        return load(environment, flags=options.flags, traits={**traits, **hub_service.settings(config, environment)})

    try:
        config = read()
    except ConfigError as exc:
        raise StartupError(t(lang, "start.config", problem=describe(exc, lang)), EXIT_CONFIG) from None
    addresses, tls = check_start(config, lang, allow_root=options.allow_root)
    lock = _acquire_lock(config, options, lang)
    try:
        sockets = bind.listen(addresses, config["gateway.port"])
    except bind.NoAddress as exc:
        lock.release()
        raise StartupError(t(lang, exc.key, **exc.facts), EXIT_CONFIG) from None
    except bind.Busy as exc:
        lock.release()
        raise StartupError(_port_in_use(exc, lang), EXIT_BUSY) from None
    except OSError as exc:
        lock.release()
        key = "start.privileged" if exc.errno == errno.EACCES else "start.listen"
        raise StartupError(t(lang, key, port=config["gateway.port"], problem=exc), EXIT_FAILED) from None

    def read_again() -> Config:
        changed = read()
        check_secret(changed, exposed=addresses.exposed)  # nor may a weak one come in while we run
        return changed

    hidden = secret_variables(provider_keys=not config["gateway.kernelsGetProviderKeys"])
    if config["users.from"] == "hub":
        hidden |= {"JUPYTERHUB_API_TOKEN"}  # with which a kernel could ask the Hub as the service
    for name in hidden:
        os.environ.pop(name, None)
    os.environ.update(
        {name: value for name, value in secret_handover.received().environment.items() if name not in hidden}
    )
    return Bootstrap(
        config, read_again, lock, addresses, sockets, tls, os.geteuid() == 0, lang, environment, options.allow_root
    )


def check_start(config: Config, lang: str, *, allow_root: bool) -> tuple[bind.Addresses, Certificate | None]:
    """The addresses and the certificate that the configuration asks for, once this machine has all of it.

    Raises:
        StartupError: a gateway cannot start with it.
    """
    try:
        addresses = bind.addresses(config)
        check_secret(config, exposed=addresses.exposed)
        if config["gateway.auth.mode"] == "jupyter":
            raise wrong("gateway.auth.mode", "auth.jupyterAlone")
    except ConfigError as exc:
        raise StartupError(t(lang, "start.config", problem=describe(exc, lang)), EXIT_CONFIG) from None
    except bind.NoAddress as exc:
        raise StartupError(t(lang, exc.key, **exc.facts), EXIT_CONFIG) from None
    tls = _certificate(config, lang)
    if os.geteuid() == 0 and addresses.exposed and not allow_root:
        raise StartupError(t(lang, "start.rootExposed"), EXIT_FAILED)
    return addresses, tls


def describe(problem: ConfigError, lang: str) -> str:
    """A wrong setting in one sentence, in the language of the terminal."""
    if lang == "en":
        return str(problem)
    nearest = f" ({problem.suggestion})" if problem.suggestion else ""
    return f"{problem.name}: {problem.problem_in(lang)}{nearest}"


def _certificate(config: Config, lang: str) -> Certificate | None:
    try:
        return certificate(config)
    except BadCertificate as exc:
        raise StartupError(t(lang, exc.key, **exc.facts), EXIT_CONFIG) from None
    except OSError as exc:
        raise StartupError(t(lang, "start.stateDir", path=config.state, problem=exc.strerror), EXIT_FAILED) from None


def _acquire_lock(config: Config, options: Options, lang: str) -> GatewayLock:
    """Acquire the lock of the state directory; with ``--force`` from the gateway that holds it."""
    try:
        lock = adopt(config, os.environ.get(RESTARTED, "")) or acquire(config)
        if lock is None and options.force:
            lock = _take_over(config, lang)
    except OSError as exc:
        raise StartupError(t(lang, "start.stateDir", path=config.state, problem=exc.strerror), EXIT_FAILED) from None
    if lock is not None:
        return lock
    owner = server_info.find_running_gateway(config)
    if owner is None:  # it starts, or stops, at this moment
        raise StartupError(t(lang, "running.starting", path=config.state), EXIT_BUSY)
    wanted = options.flags.get("gateway.port")
    elsewhere = wanted is not None and f":{wanted}/" not in owner.url
    mounted_only = owner.server_url is not None and owner.url.startswith(owner.server_url)
    key = "running.jupyter" if mounted_only else "running.elsewhere" if elsewhere else "running.already"
    text = t(lang, key, url=owner.url, pid=owner.pid, program=command())
    if elsewhere:
        raise StartupError(text, EXIT_BUSY)
    raise StartupError(text, EXIT_RUNNING_ALREADY, _login_link(config, owner) if options.browser else "")


def _login_link(config: Config, owner: server_info.GatewayInfo) -> str:
    """Return a one-time login link of the running gateway, or its plain address if it does not answer."""
    from ..client.endpoint import locate
    from ..client.errors import ClientError
    from ..client.sync import connect

    try:
        with connect(locate(config, url=owner.ws_url)) as client:
            return f"{owner.url}{client.request('auth.link')['path']}"
    except (ClientError, GatewayError):
        return owner.url


def _take_over(config: Config, lang: str) -> GatewayLock | None:
    """Stop the running gateway. Only a standalone server is signalled, never a JupyterLab that hosts a gateway.

    That the lock is held proves that the process which published its id is alive: the next owner removes what a dead
    one left before it does anything else.
    """
    owner = server_info.find_running_gateway(config)
    if owner is None:
        return None
    if owner.host != "standalone":
        raise StartupError(t(lang, "force.jupyter", url=owner.url, pid=owner.pid), EXIT_BUSY)
    if not _holds(owner.pid, lock_path(config)):
        raise StartupError(t(lang, "force.foreign", url=owner.url, pid=owner.pid), EXIT_BUSY)
    os.kill(owner.pid, signal.SIGTERM)
    ends = time.monotonic() + TAKEOVER_SECONDS
    while time.monotonic() < ends:
        if (lock := acquire(config)) is not None:
            return lock
    raise StartupError(t(lang, "force.failed", pid=owner.pid), EXIT_BUSY)


def _holds(pid: int, lock: Path) -> bool:
    """Return whether process ``pid`` has the lock file open. Process ids differ between a container and its host.

    Without ``/proc`` the published process id is trusted.
    """
    if not Path("/proc/self/fd").is_dir():
        return True
    with contextlib.suppress(OSError):  # it has ended, or belongs to another user
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                if os.path.samefile(descriptor, lock):
                    return True
    return False


def _port_in_use(busy: bind.Busy, lang: str) -> str:
    from ..runtime import port_probe  # needed on the way out only

    holder = port_probe.identify(busy.address, busy.port)
    key = f"busy.{holder.kind}" if holder.kind != "unknown" or holder.program is None else "busy.program"
    return t(lang, key, port=busy.port, pid=holder.pid or "?", url=holder.url, program=holder.program)
