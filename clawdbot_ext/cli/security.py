"""``clawdbot security audit``: the audit of security settings, with ``--fix``."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import click

from .. import config as settings
from ..config import Config, ConfigError
from ..runtime import server_info
from . import exit_codes, security_checks
from .connection import Target, call, gateway_options, json_option
from .printing import for_people, note, out, print_json, say
from .security_checks import Finding, tell

COLORS = {"critical": "red", "warn": "yellow", "info": "cyan"}
ROUNDS = 5
"""A configuration that could not be read may hide more once its first problem is mended."""


@click.group("security", help=tell("help.security"), short_help=say("short.security"))
def group() -> None:
    """See ``help``."""


@group.command("audit", help=tell("help.audit"))
@click.option("--fix", is_flag=True, help=tell("help.fix"))
@json_option
@gateway_options
def audit(target: Target, fix: bool, as_json: bool) -> None:
    """Exit code 1 while anything critical or doubtful is left."""
    if target.url and not as_json:
        note(say("usage.looksHere"))
    fixed = _mend(target) if fix else []
    found = findings(target)
    if as_json:
        print_json(
            {
                "ok": not _bad(found),
                "summary": Counter(each.severity for each in found),
                "findings": [_record(each) for each in found],
                "fixed": [_record(each) for each in fixed],
            }
        )
    else:
        _print(found, fixed)
    if _bad(found):
        raise click.exceptions.Exit(exit_codes.FAILED)


def findings(target: Target) -> list[Finding]:
    """Findings about this installation and, where one runs, its gateway."""
    try:
        config = settings.load()
    except ConfigError as exc:
        found = list(security_checks.check_invalid_file(settings.config_path()))
        return found or [Finding("config.invalid", "critical", exit_codes.describe(exc), tell("fix.environment"))]
    return [*security_checks.run_checks(config), *_of_gateway(config, target)]


def _of_gateway(config: Config, target: Target) -> list[Finding]:
    """Findings that only the gateway can tell. One that does not run, or does not answer, is ``doctor``'s business."""
    if server_info.find_running_gateway(config) is None:
        return []
    try:
        return list(security_checks.always_allowed(call(target, "exec.approvals.get")["file"]))
    except exit_codes.EXPECTED:
        return []


def _mend(target: Target) -> list[Finding]:
    done: list[Finding] = []
    for _ in range(ROUNDS):
        before = {(each.check, each.text) for each in done}
        todo = [each for each in findings(target) if (each.check, each.text) not in before]
        for each in todo:
            if each.fix is not None:
                each.fix()
                done.append(each)
        if len(done) == len(before):
            break
    return done


def _bad(found: list[Finding]) -> bool:
    return any(each.severity != "info" for each in found)


def _record(finding: Finding) -> dict[str, Any]:
    return {
        "checkId": finding.check,
        "severity": finding.severity,
        "title": finding.text,
        "remediation": finding.remedy,
        "fixable": finding.fix is not None,
    }


def _print(found: list[Finding], fixed: list[Finding]) -> None:
    for each in fixed:
        out(f"{click.style(tell('audit.fixed'), fg='green')}  {each.text}")
    for each in found:
        label = tell(f"audit.{each.severity}")
        text = for_people(f"{label}  {each.text}", sys.stdout, "  ").removeprefix(label)
        out(click.style(label, fg=COLORS[each.severity]) + text)
        out(click.style(for_people(f"  → {each.remedy}", sys.stdout, "    "), dim=True))
    if not _bad(found):
        out(tell("audit.clean"))
    elif any(each.fix for each in found):
        out(f"\n{tell('audit.hint')}")
