"""A ``tailscale`` program that knows what a test tells it, and a tailnet of one machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

NAME, OWNER, ADDRESS = "box.tail0123.ts.net", "owner@example.com", "100.64.0.7"
SCRIPT = r"""#!/bin/sh
cd "{folder}" || exit 1
echo "$*" >> heard
for last; do :; done
case "$1 $2" in
  "status --json") cat status ;;
  "serve status") cat served ;;
  "whois --json") [ -f "slow-$3" ] && exec sleep 60; cat "whois-$3" ;;
  serve*|funnel*)
    [ -f broken ] && {{ echo "access denied" >&2; exit 1; }}
    if [ "$last" = off ]; then echo '{{}}' > served
    else echo '{{"Web": {{"{name}:443": {{"Handlers": {{"/": {{"Proxy": "'"$last"'"}}}}}}}}}}' > served; fi ;;
  *) exit 2 ;;
esac
"""


class Tailnet:
    """The program's knowledge, as files that a test changes."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        program = folder / "tailscale"
        program.write_text(SCRIPT.format(folder=folder, name=NAME))
        program.chmod(0o755)
        self.path = f"{folder}:/usr/bin:/bin"
        self.write("heard", "")
        self.write("served", "null")  # as the program prints it where nothing is served
        self.write("status", json.dumps({"BackendState": "Running", "Self": {"DNSName": f"{NAME}."}}))
        self.is_(ADDRESS, OWNER)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def is_(self, address: str, login: str) -> None:
        self.write(f"whois-{address}", json.dumps({"Node": {}, "UserProfile": {"LoginName": login}}))

    @property
    def heard(self) -> list[str]:
        return (self.folder / "heard").read_text().splitlines()

    @property
    def served(self) -> Any:
        return json.loads((self.folder / "served").read_text())
