"""The oldest browsers that docs/webchat.md names: the builds aim at them, and no build uses what they lack."""

from __future__ import annotations

import re

import pytest

from tests.support.server import ROOT

BUILT = ROOT / "clawdbot_ext" / "_static"
CONFIGS = ("static/vite.config.ts", "static/vite.single.ts")
NEWER = re.compile(
    r"\b(?:Promise\.try|RegExp\.escape|Uint8Array\.from(?:Hex|Base64)|Math\.(?:sumPrecise|f16round)|Error\.isError"
    r"|URL\.parse|Iterator\.(?:from|concat)|Float16Array|Temporal\.\w+|CloseWatcher"
    r"|cookieStore|caretPositionFromPoint)\b"
    r"|\.(?:toBase64|setFromBase64|startViewTransition|moveBefore|getOrInsert|getOrInsertComputed|setHTMLUnsafe"
    r"|requestClose)\("
)
"""APIs that came to Safari after 17.5 (or never yet). What is syntax, the builds turn into ES2022."""
OPTIONAL = re.compile(r"requestIdleCallback")
"""What Safari lacks and the page asks for before it uses it."""


def floor() -> dict[str, str]:
    text = (ROOT / "docs" / "webchat.md").read_text(encoding="utf-8")
    [(chrome, firefox, safari)] = re.findall(r"Chrome or Edge (\d+), Firefox (\d+) or Safari ([\d.]+), or later", text)
    return {"chrome": chrome, "firefox": firefox, "safari": safari}


@pytest.mark.parametrize("config", CONFIGS)
def test_the_builds_aim_at_the_browsers_that_the_docs_name(config: str) -> None:
    text = (ROOT / config).read_text(encoding="utf-8")
    [targets] = re.findall(r"cssTarget: \[([^\]]*)\]", text)
    assert dict(re.findall(r'"([a-z]+)([\d.]+)"', targets)) == floor()
    assert re.findall(r'\btarget: "(\w+)"', text) == ["es2022"], "all of it is in Safari 16.4"


def test_no_build_uses_an_api_that_the_oldest_of_them_lacks() -> None:
    built = sorted(BUILT.rglob("*.js"))
    assert len(built) > 10, "npm run build -w static"
    found = {path.name: NEWER.findall(path.read_text(encoding="utf-8")) for path in built}
    assert {name: uses for name, uses in found.items() if uses} == {}
    idle = [text for path in built if OPTIONAL.search(text := path.read_text(encoding="utf-8"))]
    assert all(re.search(r"[`\"']requestIdleCallback[`\"'] ?in ", text) for text in idle)


def test_the_check_sees_newer_apis() -> None:
    for used in ("Promise.try(f)", "bytes.toBase64()", "document.startViewTransition(f)", "RegExp.escape(text)"):
        assert NEWER.search(used)
    assert not NEWER.search("Promise.all(x); URL.parser; toBase64")
