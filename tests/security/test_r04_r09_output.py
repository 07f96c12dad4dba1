"""R4 to R9, as far as the server carries them: what a browser, a terminal and a log are given to show.

What the page itself does with hostile text is in ``static/test/hostile.test.ts`` and ``tests/e2e/web``
(R1 to R3, R6, R7).
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest

from tests.cli.conftest import run_cli
from tests.support.wire import run

SCRIPT = "</script><script>alert(1)</script>"
HOSTILE_FILES = {
    "x.svg": ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
    "x.html": ("text/html", b"<!doctype html><script>alert(1)</script>"),
    "x.xhtml": ("application/xhtml+xml", b"<html xmlns='http://www.w3.org/1999/xhtml'><script>1</script></html>"),
    "x.xml": ("text/xml", b"<?xml version='1.0'?><?xml-stylesheet href='x.xsl'?><a/>"),
    "x.js": ("text/javascript", b"alert(1)"),
    "x.css": ("text/css", b"body{background:url(//evil.example)}"),
    "x.pdf": ("application/pdf", b"%PDF-1.4\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n%%EOF"),
    "x.png": ("text/html", b"<script>alert(1)</script>"),
}
HOSTILE_NAMES = [
    "<img src=x onerror=alert(1)>.txt",
    "../../etc/passwd",
    "a\r\nSet-Cookie: x=y\r\n.txt",
    "a\0b.txt",
    "\u202etxt.exe",
    "x" * 4000 + ".txt",
    "\x1b[31mred\x1b]0;title\x07.txt",
    "..\\..\\x.txt",
    "\ud800.txt",
    ".",
    "con:",
    '";attachment;filename="x.html',
]


def policy_of(answer):
    return dict((part.strip() + " ").split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))


def test_r4_no_name_becomes_a_script_of_the_page(door):
    async def main():
        async with door.connected() as wire:
            await wire.call("sessions.new", {"key": "r4"})
            await wire.call("sessions.patch", {"key": "r4", "label": SCRIPT})

    run(main())
    for path in ("", "chat", f"chat?session={quote(SCRIPT)}"):
        page = door.ask(path=path, headers=[("Cookie", door.login())])
        policy = policy_of(page)
        assert policy["script-src"].strip() == "'self'" and "unsafe" not in policy["script-src"]
        assert b"alert(1)" not in page.body and not re.search(rb"<script(?![^>]*\bsrc=)", page.body)


@pytest.mark.parametrize("name", HOSTILE_FILES)
def test_r5_a_file_that_could_be_a_program_is_a_download_of_no_origin(door, name):
    claimed, data = HOSTILE_FILES[name]
    made = door.ask("POST", f"media?name={name}", {**door.program, "Content-Type": claimed}, data)
    if made.status not in (200, 201):
        assert made.status in (400, 415)  # it is not even taken
        return
    for part in ("", "/thumbnail"):
        answer = door.ask(path=f"media/{made.json()['mediaId']}{part}", headers=door.program)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        if part and answer.status == 404:
            continue
        policy = policy_of(answer)
        assert "sandbox" in policy and "allow-same-origin" not in answer.headers["Content-Security-Policy"]
        assert "allow-scripts" not in answer.headers["Content-Security-Policy"]
        if not part:
            assert answer.headers["Content-Disposition"].startswith("attachment")


def test_r5_r6_what_a_model_drew_has_no_origin_and_no_network(door):
    answer = door.ask(path="frame", headers=[("Cookie", door.login())])
    policy = policy_of(answer)
    assert policy["sandbox"].strip() == "allow-scripts" and policy["default-src"].strip() == "'none'"
    assert "connect-src" not in policy and policy["form-action"].strip() == policy["base-uri"].strip() == "'none'"


def test_r7_the_page_fetches_no_picture_from_elsewhere(door):
    policy = policy_of(door.ask(path="chat", headers=[("Cookie", door.login())]))
    assert policy["img-src"].split() == ["'self'", "data:", "blob:"]
    assert policy["font-src"].split() == ["'self'"] and policy["media-src"].split() == ["'self'", "blob:"]
    assert policy["form-action"].split() == policy["base-uri"].split() == ["'none'"]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_r8_a_hostile_name_stays_a_name(door, name):
    given = quote(name.encode("utf-8", "surrogatepass"))
    made = door.ask("POST", f"media?name={given}", {**door.program, "Content-Type": "text/plain"}, b"text")
    assert "Set-Cookie" not in made.headers and made.status in (200, 201, 400)
    if made.status == 400:
        return
    id_, kept = made.json()["mediaId"], made.json()["name"]
    assert not re.search(r"[\x00-\x1f\x7f-\x9f/\\\ud800-\udfff]", kept) and len(kept) <= 255, kept
    answer = door.ask(path=f"media/{id_}", headers=door.program)
    assert answer.status == 200 and "Set-Cookie" not in answer.headers
    shown = answer.headers["Content-Disposition"]
    assert re.fullmatch(r"(inline|attachment); filename\*=UTF-8''[A-Za-z0-9%._~-]*", shown)
    stored = {path.name for path in (door.process.home / "media").rglob("*") if path.is_file()}
    assert all(re.fullmatch(r"[0-9a-z._-]+", each) for each in stored)


def test_r8_terminals_and_logs_show_escapes_as_text(door):
    label = "\x1b[31mred\x1b]0;owned\x07\u202e\x9b2J end"

    async def main():
        async with door.connected() as wire:
            wire_key = "r8"
            await wire.call("sessions.new", {"key": wire_key})
            try:
                await wire.call("sessions.patch", {"key": wire_key, "label": label})
            finally:
                await wire.send(f"[[text={label}]]", key=wire_key)

    run(main())
    done = run_cli(door.process.environment, "sessions", "list")
    assert done.returncode == 0 and not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.stdout), done.stdout
    for line in (door.process.home / "logs" / "gateway.log").read_text().splitlines():
        assert json.loads(line) and not re.search(r"[\x00-\x1f\x7f]", line)


def test_r9_nobody_frames_the_page(door):
    for path in ("", "chat", "chat?session=x"):
        answer = door.ask(path=path, headers=[("Cookie", door.login())])
        assert policy_of(answer)["frame-ancestors"].strip() == "'none'"
    assert policy_of(door.ask(path="frame", headers=[("Cookie", door.login())]))["frame-ancestors"].strip() == "'self'"
