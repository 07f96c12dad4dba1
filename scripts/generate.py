"""Writes every file that is derived from a table in the package: ``python -m scripts.generate``.

    --check    write nothing; exit with 1 and a diff when a file is not what it would be

``tests/test_docs.py`` runs the check, so a table and its documentation cannot drift apart.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping
from pathlib import Path

from . import cli_reference, config_types, reference, setting_texts, shapes, typescript

ROOT = Path(__file__).resolve().parent.parent


def outputs() -> Mapping[str, str]:
    """Path below the project's root → the text that belongs there."""
    return {
        "clawdbot_ext/config/typed_settings.py": config_types.module(),
        "clawdbot_ext/locale/settings.en.json": setting_texts.catalogue(),
        "docs/reference/methods.md": reference.methods(),
        "docs/reference/credentials.md": reference.credentials(),
        "docs/reference/events.md": reference.events(),
        "docs/reference/errors.md": reference.error_page(),
        "docs/reference/settings.md": reference.settings(),
        "docs/reference/commands.md": reference.commands(),
        "docs/reference/cli.md": cli_reference.page(),
        "docs/reference/protocol.schema.json": shapes.document(),
        "static/src/protocol/generated.ts": typescript.module(),
    }


def drift() -> str:
    """A unified diff from the files as they are to the files as they should be; empty when they agree."""
    pieces: list[str] = []
    for name, wanted in outputs().items():
        path = ROOT / name
        present = path.read_text(encoding="utf-8") if path.exists() else ""
        pieces += difflib.unified_diff(present.splitlines(True), wanted.splitlines(True), name, f"{name} (generated)")
    return "".join(pieces)


def main() -> int:
    """Write, or with ``--check`` compare. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 on a difference")
    if parser.parse_args().check:
        difference = drift()
        sys.stdout.write(difference)
        return 1 if difference else 0
    for name, text in outputs().items():
        path = ROOT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
