"""The gateway as a scheduled task of Windows, which starts it in this WSL distribution when its user logs in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from xml.sax.saxutils import escape


def task_xml(environment: Mapping[str, str], *, user: str) -> str:
    """The definition as Task Scheduler reads it; ``user`` is the Windows account (``BOX\\ann``).

    Without the rights of an administrator, without an end, and started again after a crash. ``environment`` goes along,
    since a task has none of this shell's; secrets are not in it.
    """
    words = [
        "--distribution",
        os.environ["WSL_DISTRO_NAME"],
        "--exec",
        "/usr/bin/env",
        *(f"{name}={value}" for name, value in environment.items()),
        sys.executable,
        "-m",
        "clawdbot_ext.app",
        "--no-browser",
    ]
    return _TASK.format(user=escape(user), arguments=escape(subprocess.list2cmdline(words)))


_TASK = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>Clawdbot for Jupyter, the chat gateway</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>{user}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>10</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>wsl.exe</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"""
