"""Rules between settings: combinations with which no gateway would start, told where they are set."""

from __future__ import annotations

import importlib.util
import ipaddress
from collections.abc import Iterator

from ...config import Config, ConfigError
from ...config.setting_types import wrong
from .passwords import check_secret


def broken_rules(config: Config) -> list[ConfigError]:
    """Every rule that the configuration breaks. What depends on the machine (an address, a file) is not looked at."""
    return list(_broken(config))


def new_problems(before: Config | None, after: Config) -> list[ConfigError]:
    """The rules that ``after`` breaks and ``before`` did not: a wrong configuration can be mended step by step."""
    known = {str(problem) for problem in broken_rules(before)} if before is not None else set()
    return [problem for problem in broken_rules(after) if str(problem) not in known]


def _broken(config: Config) -> Iterator[ConfigError]:
    exposed, tailscale = _exposed(config), config["gateway.tailscale.mode"]
    if config["gateway.bind"] == "custom" and not config["gateway.customBindHost"]:
        yield wrong("gateway.bind", "rule.bindHost")
    if exposed and tailscale != "off":
        yield wrong("gateway.tailscale.mode", "rule.tailscaleBind", mode=tailscale, bind=config["gateway.bind"])
    made = config["gateway.tls.autoGenerate"] and not config["gateway.tls.keyPath"]
    if config["gateway.tls.enabled"] and not config["gateway.tls.certPath"] and not made:
        yield wrong("gateway.tls.enabled", "rule.certificate")
    if config["storage.media.url"].startswith("s3:") and importlib.util.find_spec("boto3") is None:
        yield wrong("storage.media.url", "rule.s3Extra")
    if bool(config["storage.media.accessKeyId"]) != bool(config["storage.media.secretAccessKey"]):
        yield wrong("storage.media.accessKeyId", "rule.s3Key")
    if config["users.from"] == "headers" and not config["users.secret"]:
        yield wrong("users.from", "rule.usersSecret")
    if config["users.from"] == "headers" and not config["gateway.trustedProxies"]:
        yield wrong("users.from", "rule.usersProxy")
    try:
        check_secret(config, exposed=exposed)
    except ConfigError as exc:
        yield exc


def _exposed(config: Config) -> bool:
    """Whether other machines can reach the port, as far as the settings say."""
    bind, host = config["gateway.bind"], config["gateway.customBindHost"].strip("[]")
    if bind != "custom":
        return bool(bind != "loopback")
    try:
        return bool(host) and not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return bool(host != "localhost")
