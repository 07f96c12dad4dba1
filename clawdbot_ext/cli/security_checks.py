"""Weaknesses of an installation that others could use against its owner, and the remedy of each; for ``security audit``
and ``doctor``.

A check is a function of the configuration that yields findings. A ``critical`` one lets another person in or see
something, a ``warn`` takes away a layer of protection, an ``info`` is worth knowing and may be meant so. What can be
repaired without taking anything from a person rightly let in has a ``fix``.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from ..config import Config, ConfigError, set_value, unset_value
from ..config.file import issues, read
from ..gateway.access.passwords import HASHED, MIN_EXPOSED_PASSWORD, MIN_EXPOSED_TOKEN, hash_password, is_weak
from ..server.net import tls
from . import exit_codes
from .printing import texts

tell = texts("security")

Severity = Literal["critical", "warn", "info"]
MANY_ATTEMPTS = 60
"""Wrong logins a minute that are no limit any more."""
WIDE_IPV4, WIDE_IPV6 = 8, 32
"""Networks larger than these are not proxies."""
_LISTS = ("gateway.allowedOrigins", "gateway.allowedHosts", "gateway.trustedProxies")
_WRITABLE = ("file", "default")
"""Sources of a value that a change of our file has an effect on."""


@dataclass(frozen=True)
class Finding:
    """One hole. ``check`` is its name for programs, ``remedy`` what to do; ``fix`` does it, where that is safe."""

    check: str
    severity: Severity
    text: str
    remedy: str
    fix: Callable[[], object] | None = None


def run_checks(config: Config) -> list[Finding]:
    """Everything that a right configuration and the files of its state directory leave open, the worst first."""
    checks: tuple[Callable[[Config], Iterable[Finding]], ...] = (
        files,
        certificate,
        bind,
        secrets,
        proxies,
        names,
        tailscale,
        remote,
        providers,
        account,
    )
    found = [finding for check in checks for finding in check(config)]
    return sorted(found, key=lambda finding: ("critical", "warn", "info").index(finding.severity))


def check_invalid_file(path: Path) -> Iterator[Finding]:
    """Faults of a configuration file that cannot be used; lists that have wrong entries can be fixed."""
    content = read(path)
    for issue in [content.problem] if content.problem else issues(content.tree or {}):
        good = _good_entries(content.tree or {}, issue.name)
        fix = None if good is None else functools.partial(set_value, path, issue.name, good)
        yield Finding(
            "config.invalid", "critical", exit_codes.describe(issue), tell("fix.invalid", name=issue.name), fix
        )
    yield from _modes([path.parent, path])


def _good_entries(tree: Mapping[str, Any], name: str) -> list[str] | None:
    """The right entries of a list of names, without those that are none; ``None`` where that is not what is wrong."""
    from ..config.validation import check

    node: Any = tree
    for part in name.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    if name not in _LISTS or not isinstance(node, list):
        return None
    good = []
    for entry in node:
        try:
            good += check(name, [entry])
        except ConfigError:
            continue
    return good


# -- files ------------------------------------------------------------------------------------------------------------
def files(config: Config) -> Iterator[Finding]:
    """Rights of the state directory: who may read or change what is in it is its owner."""
    inside = sorted(config.home.rglob("*")) if config.home.is_dir() else []
    yield from _modes([config.home, config.path, *inside])
    if _mode(config.state) & 0o022:
        yield Finding(
            "files.stateWritable",
            "critical",
            tell("files.stateWritable", path=config.state),
            f"chmod go-w {shlex.quote(str(config.state))}",
            functools.partial(config.state.chmod, _mode(config.state) & ~0o022),
        )
    theirs = config.state / "clawdbot.json"
    secret = [
        name for name in ("gateway.auth.token", "gateway.auth.password") if config.source(name) == "clawdbot.json"
    ]
    if secret and _mode(theirs) & 0o077:
        yield Finding(
            "files.clawdbotReadable",
            "critical",
            tell("files.readable", path=theirs),
            f"chmod 600 {shlex.quote(str(theirs))}",
        )


def _modes(paths: Iterable[Path]) -> Iterator[Finding]:
    for path in dict.fromkeys(paths):
        if not _mode(path) & 0o077:
            continue
        right = 0o700 if path.is_dir() else 0o600
        text = tell("files.foreign" if _foreign(path) else "files.readable", path=path)
        yield Finding(
            "files.modes",
            "critical",
            text,
            f"chmod {right:o} {shlex.quote(str(path))}",
            None if _foreign(path) else functools.partial(path.chmod, right),
        )


def _mode(path: Path) -> int:
    """The permissions; none for what is not there, and for links and sockets, which have none of their own."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return 0
    return 0 if stat.S_ISLNK(mode) or stat.S_ISSOCK(mode) else stat.S_IMODE(mode)


def _foreign(path: Path) -> bool:
    return path.stat().st_uid != os.geteuid()


def certificate(config: Config) -> Iterator[Finding]:
    """A certificate's key that others can read, or a certificate that cannot be shown."""
    if not config["gateway.tls.enabled"]:
        return
    own = Path(config["gateway.tls.keyPath"] or config["gateway.tls.certPath"] or tls.own_paths(config)[1]).expanduser()
    if config.home not in own.parents:
        for finding in _modes([own]):
            yield Finding("tls.keyReadable", "critical", tell("tls.keyReadable", path=own), finding.remedy, finding.fix)
    if (config["gateway.tls.certPath"] or config["gateway.tls.keyPath"]) and not own.is_file():
        yield Finding("tls.missing", "critical", tell("tls.missing", path=own), tell("fix.tlsMissing"))


# -- who can connect --------------------------------------------------------------------------------------------------
def is_exposed(config: Config) -> bool:
    """Return whether other machines can connect by ``gateway.bind``."""
    host = config["gateway.customBindHost"].strip("[]")
    return config["gateway.bind"] != "loopback" and not (config["gateway.bind"] == "custom" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(config: Config) -> Iterator[Finding]:
    """A port that other machines reach, and how."""
    if not is_exposed(config):
        return
    how = config["gateway.bind"]
    if config["gateway.tls.enabled"]:
        yield Finding("bind.exposed", "info", tell("bind.exposed", bind=how), tell("fix.bindExposed"))
    elif how == "tailnet":
        yield Finding("bind.tailnet", "info", tell("bind.tailnet"), tell("fix.bindTailnet"))
    else:
        usable = not config["gateway.tls.certPath"] and not config["gateway.tls.keyPath"]
        yield Finding(
            "bind.plain",
            "critical",
            tell("bind.plain", bind=how),
            tell("fix.bindPlain"),
            _setting(config, "gateway.tls.enabled", True) if usable else None,
        )


def secrets(config: Config) -> Iterator[Finding]:
    """Secrets that can be guessed, or that are kept as they are typed."""
    token, password = config["gateway.auth.token"], config["gateway.auth.password"]
    mode = config["gateway.auth.mode"]
    reachable: Severity = "critical" if is_exposed(config) or config["gateway.tailscale.mode"] != "off" else "warn"
    if mode == "token" and token and is_weak(token, MIN_EXPOSED_TOKEN):
        yield Finding(
            "auth.weakToken",
            reachable,
            tell("auth.weakToken", least=MIN_EXPOSED_TOKEN),
            tell("fix.weakToken"),
            _setting(config, "gateway.auth.token", None),
        )
    if mode == "password" and not password:
        yield Finding("auth.noPassword", "critical", tell("auth.noPassword"), "clawdbot password set")
    elif mode == "password" and not password.startswith(HASHED):
        if is_weak(password, MIN_EXPOSED_PASSWORD):
            yield Finding(
                "auth.weakPassword",
                reachable,
                tell("auth.weakPassword", least=MIN_EXPOSED_PASSWORD),
                "clawdbot password set",
            )
        elif config.source("gateway.auth.password") in ("file", "clawdbot.json"):
            yield Finding(
                "auth.plainPassword",
                "warn",
                tell("auth.plainPassword"),
                "clawdbot password set",
                lambda: set_value(config.path, "gateway.auth.password", hash_password(password)),
            )
    if config["gateway.loginAttemptsPerMinute"] > MANY_ATTEMPTS:
        yield Finding(
            "auth.attempts",
            "warn",
            tell("auth.attempts", number=config["gateway.loginAttemptsPerMinute"]),
            "clawdbot config unset gateway.loginAttemptsPerMinute",
            _setting(config, "gateway.loginAttemptsPerMinute", None),
        )
    for name in config.names():
        leaf = name.rpartition(".")[2]
        if leaf == "apiKey" and config.value(name) and config.source(name) == "file":
            yield Finding(
                "secrets.keyInFile",
                "info",
                tell("secrets.keyInFile", name=name, path=config.path),
                tell("fix.keyInFile"),
            )


# -- whom requests are believed to come from --------------------------------------------------------------------------
def proxies(config: Config) -> Iterator[Finding]:
    """Proxies that are believed too easily, and one that is probably there and not known."""
    trusted = config["gateway.trustedProxies"]
    wide = [entry for entry in trusted if _is_wide(entry)]
    if wide:
        yield Finding(
            "proxies.everybody",
            "critical",
            tell("proxies.everybody", names=", ".join(wide)),
            tell("fix.proxiesEverybody"),
            _setting(config, "gateway.trustedProxies", [entry for entry in trusted if entry not in wide]),
        )
    if (
        config["gateway.allowedHosts"]
        and not trusted
        and not is_exposed(config)
        and config["gateway.tailscale.mode"] == "off"
    ):
        yield Finding(
            "proxies.unknown",
            "info",
            tell("proxies.unknown", names=", ".join(config["gateway.allowedHosts"])),
            tell("fix.proxiesUnknown"),
        )


def _is_wide(entry: str) -> bool:
    network = ipaddress.ip_network(entry.strip(), strict=False)
    return network.prefixlen < (WIDE_IPV4 if network.version == 4 else WIDE_IPV6)


def names(config: Config) -> Iterator[Finding]:
    """Names and origins that let more in than they should."""
    hosts = config["gateway.allowedHosts"]
    patterns = [host for host in hosts if "*" in host or host.startswith(".")]
    if patterns:
        yield Finding(
            "hosts.pattern",
            "warn",
            tell("hosts.pattern", names=", ".join(patterns)),
            tell("fix.names"),
            _setting(config, "gateway.allowedHosts", [host for host in hosts if host not in patterns]),
        )
    origins = config["gateway.allowedOrigins"]
    patterns = [origin for origin in origins if "*" in origin]
    if patterns:
        yield Finding(
            "origins.pattern",
            "critical",
            tell("origins.pattern", names=", ".join(patterns)),
            tell("fix.names"),
            _setting(config, "gateway.allowedOrigins", [origin for origin in origins if origin not in patterns]),
        )
    plain = [
        origin
        for origin in origins
        if origin not in patterns
        and origin.lower().startswith("http:")
        and not _is_loopback(urlsplit(origin).hostname or "")
    ]
    if plain:
        yield Finding("origins.plain", "warn", tell("origins.plain", names=", ".join(plain)), tell("fix.originsPlain"))


def tailscale(config: Config) -> Iterator[Finding]:
    """Findings about what is offered through Tailscale and how it is protected."""
    mode = config["gateway.tailscale.mode"]
    if mode == "off":
        return
    if mode == "funnel" and config["gateway.auth.mode"] != "password":
        yield Finding(
            "tailscale.funnelPassword",
            "critical",
            tell("tailscale.funnelPassword"),
            "clawdbot password set",
            _setting(config, "gateway.tailscale.mode", "off"),
        )
    elif mode == "funnel":
        yield Finding("tailscale.funnel", "info", tell("tailscale.funnel"), tell("fix.funnel"))
    if is_exposed(config):
        yield Finding(
            "tailscale.bind",
            "warn",
            tell("tailscale.bind", mode=mode, bind=config["gateway.bind"]),
            "clawdbot config set gateway.bind loopback",
            _setting(config, "gateway.bind", "loopback"),
        )


# -- where our own secrets go -----------------------------------------------------------------------------------------
def remote(config: Config) -> Iterator[Finding]:
    """A gateway elsewhere that is talked to without encryption."""
    url = config["gateway.remote.url"]
    if _is_plain(url):
        yield Finding("remote.plain", "critical", tell("remote.plain", url=url), tell("fix.remotePlain"))


def providers(config: Config) -> Iterator[Finding]:
    """Keys and conversations on their way to a model without encryption."""
    addresses = {f"models.providers.{each.name}.baseUrl": each.base_url for each in config.providers().values()}
    addresses["media.audio.baseUrl"] = config["media.audio.baseUrl"]
    for name, url in addresses.items():
        if _is_plain(url):
            yield Finding("provider.plain", "warn", tell("provider.plain", name=name, url=url), tell("fix.provider"))


def _is_plain(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "ws") and not _is_loopback(parts.hostname or "")


def account(config: Config) -> Iterator[Finding]:
    """The account that everything runs as."""
    if os.geteuid() == 0:
        yield Finding("account.root", "info", tell("account.root"), tell("fix.root"))


def always_allowed(rules: Mapping[str, Any]) -> Iterator[Finding]:
    """Findings about what the assistant may do without asking, as ``exec.approvals.get`` tells it."""
    agents = rules.get("agents")
    entries = [
        entry
        for agent in (agents.values() if isinstance(agents, Mapping) else ())
        if isinstance(agent, Mapping)
        for entry in agent.get("allowlist") or ()
    ]
    patterns = [str(entry["pattern"]) for entry in entries if isinstance(entry, Mapping) and entry.get("pattern")]
    if patterns:
        yield Finding("tools.always", "warn", tell("tools.always", names=", ".join(patterns)), tell("fix.tools"))


def _setting(config: Config, name: str, value: Any) -> Callable[[], object] | None:
    """A function that sets ``name`` (``None``: unsets it) in our file; ``None`` where the value in force has another
    source."""
    if config.source(name) not in _WRITABLE:
        return None
    if value is None or value == []:
        return functools.partial(unset_value, config.path, name)
    return functools.partial(set_value, config.path, name, value)
