"""Attachments over HTTP: what is taken, what is refused, who may read it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.support import http
from tests.support.media import png
from tests.support.server import ROOT
from tests.support.tools import require
from tests.support.wire import WireError, run, wired


class Answer:
    def __init__(self, status: int, headers: Any, body: bytes):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(gateway, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("Authorization", f"Bearer {gateway.token}")
    request = Request(f"{gateway.url}{path}", body, named, method=method)
    try:
        with urlopen(request, timeout=60) as response:
            return Answer(response.status, response.headers, response.read())
    except HTTPError as refused:
        with refused:
            return Answer(refused.code, refused.headers, refused.read())


def kept(gateway) -> list[Path]:
    """All files below the media folder but what was made of others."""
    root = gateway.home / "media"
    return sorted(path for path in root.rglob("*") if path.is_file() and "derived" not in path.parts)


def test_an_upload_is_stored_once_by_its_content_and_given_back_whole_and_in_ranges(standing_gateway):
    gateway, data = standing_gateway, png(320, 200)
    sha256 = hashlib.sha256(data).hexdigest()
    assert ask(gateway, "HEAD", f"media/{sha256}").status == 404
    first = ask(gateway, "POST", "media?name=plot.png", data, Content_Type="image/png", X_Clawdbot_Sha256=sha256)
    assert first.status == 201
    given = first.json
    assert (given["kind"], given["mimeType"], given["size"]) == ("image", "image/png", len(data))
    assert (given["width"], given["height"], given["name"]) == (320, 200, "plot.png")
    again = ask(gateway, "POST", "media?name=plot.png", data)
    assert (again.status, again.json["mediaId"]) == (200, given["mediaId"])
    other = ask(gateway, "POST", "media?name=other.png", data)
    assert other.status == 201 and other.json["mediaId"] != given["mediaId"]
    assert ask(gateway, "HEAD", f"media/{sha256}").headers["X-Clawdbot-Media-Id"] == other.json["mediaId"]
    files = [path for path in kept(gateway) if path.name == sha256]
    assert len(files) == 1 and files[0].stat().st_mode & 0o777 == 0o600
    whole = ask(gateway, "GET", f"media/{given['mediaId']}")
    assert whole.body == data and whole.headers["Content-Type"] == "image/png"
    part = ask(gateway, "GET", f"media/{given['mediaId']}", Range="bytes=10-19")
    assert (part.status, part.body) == (206, data[10:20])
    assert ask(gateway, "GET", f"media/{given['mediaId']}", If_None_Match=whole.headers["ETag"]).status == 304
    small = ask(gateway, "GET", f"media/{given['mediaId']}/thumbnail")
    assert small.status == 200 and small.headers["Content-Type"].startswith("image/")


def test_only_what_a_browser_shows_safely_is_shown_and_everything_is_sandboxed(standing_gateway):
    gateway = standing_gateway
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    page = ask(gateway, "POST", "media?name=a.html", b"<script>alert(1)</script>", Content_Type="text/html").json
    for name, body in (("x.svg", svg), ("a.html", b"")):
        media = page if name == "a.html" else ask(gateway, "POST", f"media?name={name}", body).json
        headers = ask(gateway, "GET", f"media/{media['mediaId']}").headers
        assert headers["Content-Disposition"].startswith("attachment;")
        assert "sandbox" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    image = ask(gateway, "POST", "media?name=i.png", png(4, 4)).json
    assert ask(gateway, "GET", f"media/{image['mediaId']}").headers["Content-Disposition"].startswith("inline;")


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("a\u202egnp.txt", "agnp.txt"),
        ("\u1112\u1161\u11ab.txt", "한.txt"),
        ("..\\..\\x\x01y.txt", "x y.txt"),
        ("", "file"),
    ],
)
def test_a_name_keeps_no_folder_no_control_and_no_direction_character(standing_gateway, name, stored):
    from urllib.parse import quote

    answer = ask(standing_gateway, "POST", f"media?name={quote(name)}", f"text {stored}".encode())
    assert answer.json["name"] == stored
    assert ask(standing_gateway, "GET", f"media/{answer.json['mediaId']}").status == 200


def test_a_wrong_claim_is_noted_and_what_nothing_reads_is_refused_with_what_to_do(standing_gateway):
    gateway = standing_gateway
    wrong = ask(gateway, "POST", "media?name=report.pdf", png(8, 8), Content_Type="application/pdf").json
    assert wrong["mimeType"] == "image/png"
    assert [note["code"] for note in wrong["notes"]] == ["type_mismatch"]
    before = kept(gateway)
    refused = ask(gateway, "POST", "media?name=a.exe", b"MZ" + bytes(5000), Accept_Language="ko")
    assert refused.status == 415
    error = refused.json["error"]
    assert error["details"]["reason"] == "MEDIA_UNSUPPORTED" and error["hint"] and error["hint"].endswith("요.")
    assert ask(gateway, "POST", "media?name=e.txt", b"").json["error"]["details"]["reason"] == "MEDIA_EMPTY"
    damaged = ask(gateway, "POST", "media?name=t.png", png(64, 64)[:60])
    assert damaged.status == 400
    changed = ask(gateway, "POST", "media?name=t.txt", b"other", X_Clawdbot_Sha256="0" * 64)
    assert changed.json["error"]["details"]["reason"] == "HASH_MISMATCH"
    assert kept(gateway) == before


def test_who_has_not_logged_in_reads_and_writes_nothing(standing_gateway):
    gateway = standing_gateway
    media = ask(gateway, "POST", "media?name=s.txt", b"secret").json
    for method, path in (
        ("GET", f"media/{media['mediaId']}"),
        ("GET", f"media/{media['mediaId']}/thumbnail"),
        ("POST", "media?name=x"),
    ):
        body = b"x" if method == "POST" else None
        assert ask(gateway, method, path, body, Authorization="Bearer wrong").status in (401, 429)
    assert ask(gateway, "GET", "media/" + "x" * 24).status == 404


def test_a_refused_upload_says_that_its_connection_closes(standing_gateway):
    """Tornado closes it, since the body is unread; a proxy that sends its next request on it answers that with 503."""
    headers = [("Connection", "keep-alive"), ("Origin", f"http://127.0.0.1:{standing_gateway.port}")]
    answer = http.ask(standing_gateway.port, "POST", "/media?name=a.csv", headers, b"a,b\n")
    assert (answer.status, answer.headers["Connection"]) == (401, "close")


def test_limits_are_told_and_held_while_the_file_comes(make_gateway):
    gateway = make_gateway(config={"media": {"maxBytes": {"text": 200_000, "image": 1_000_000}}})

    async def told() -> Any:
        async with wired(gateway.ws_url, gateway.token) as wire:
            return await wire.call("media.limits")

    limits = run(told())
    assert limits["maxBytes"]["text"] == 200_000 and ".ipynb" in limits["accept"]
    refused = ask(gateway, "POST", "media?name=big.txt", b"line\n" * 100_000)
    assert refused.status == 413
    assert refused.json["error"]["details"]["maxBytes"] == 200_000
    assert kept(gateway) == []


def test_a_send_takes_files_by_id_by_content_and_refuses_all_for_one(standing_gateway):
    gateway = standing_gateway
    media = ask(gateway, "POST", "media?name=a.txt", b"alpha").json
    picture = base64.b64encode(png(20, 10)).decode()

    async def main() -> None:
        async with wired(gateway.ws_url, gateway.token, caps=["session.events"]) as wire:
            # as Clawdbot's Control UI sends a pasted image
            clipboard = {"type": "image", "mimeType": "image/png", "content": picture}
            run_id, _ = await wire.send("look", attachments=[{"mediaId": media["mediaId"]}, clipboard])
            await wire.end(run_id)
            again = await wire.send("look", run_id=run_id, attachments=[{"mediaId": media["mediaId"]}, clipboard])
            assert again[1]["status"] == "ok"
            with pytest.raises(WireError) as conflict:
                await wire.send("look", run_id=run_id, attachments=[clipboard])
            assert conflict.value.details["reason"] == "IDEMPOTENCY_CONFLICT"
            history = await wire.call("chat.history", {"sessionKey": "main"})
            user = history["messages"][0]["content"]
            assert [block["type"] for block in user] == ["file", "image", "text"]
            assert (user[1]["width"], user[1]["height"], user[1]["name"]) == (20, 10, "image.png")
            assert "content" not in user[1]
            with pytest.raises(WireError) as refused:
                await wire.send("look", attachments=[{"mediaId": media["mediaId"]}, {"mediaId": "y" * 24}])
            assert refused.value.details["attachment"] == 1 and refused.value.details["hint"]
            for bad in ({"content": "%%%"}, {}, {"mediaId": media["mediaId"], "content": picture}, {"path": "../x"}):
                with pytest.raises(WireError):
                    await wire.send("look", attachments=[bad])
            assert len((await wire.call("chat.history", {"sessionKey": "main"}))["messages"]) == 2
            (gateway.state / "data.csv").write_text("a,b\n1,2\n")
            await wire.ask("of the server", key="served", attachments=[{"path": "data.csv"}])
            served = (await wire.call("chat.history", {"sessionKey": "served"}))["messages"][0]["content"][0]
            assert (served["type"], served["name"], served["mimeType"]) == ("file", "data.csv", "text/csv")
            with pytest.raises(WireError) as hidden:
                await wire.send("look", attachments=[{"path": "jupyter/../.bashrc"}])
            assert hidden.value.details["name"] == "jupyter/../.bashrc"

    run(main())


def test_a_full_disk_is_507_and_leaves_no_orphan(tmp_path):
    """In a mount namespace of its own, on a memory disk of 8 MB (``full_disk.py`` is what runs there)."""
    inside = 'mount -t tmpfs -o size=8m none "$1" && exec "$2" -m tests.server.full_disk "$1"'
    command = [require("unshare"), "--user", "--map-root-user", "--mount", "sh", "-c", inside, "sh", tmp_path]
    done = subprocess.run(
        [*command, sys.executable],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "done\n", done.stderr


def test_an_upload_that_is_cut_off_leaves_nothing(standing_gateway):
    gateway = standing_gateway
    before = kept(gateway)
    connection = socket.create_connection(("127.0.0.1", gateway.port), 5)
    head = (
        f"POST /media?name=a.wav HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nContent-Length: 50000000\r\n"
        f"Authorization: Bearer {gateway.token}\r\n\r\n"
    )
    connection.sendall(head.encode() + b"RIFF\xff\xff\xff\x02WAVE" + bytes(3_000_000))
    wait_until(lambda: len(kept(gateway)) == len(before) + 1, "a file that grows")
    connection.close()
    wait_until(lambda: kept(gateway) == before, "nothing left")


def test_what_a_crash_left_half_uploaded_is_removed_and_what_was_whole_stays(make_gateway):
    gateway = make_gateway()
    media = ask(gateway, "POST", "media?name=a.txt", b"alpha").json
    gateway.kill()
    half = gateway.home / "media" / "incoming" / ("0" * 24)
    half.write_bytes(b"x" * 1000)
    stray = gateway.home / "media" / "ab" / ("ab" + "0" * 62)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"no row speaks of this")
    gateway.start()
    wait_until(lambda: not half.exists() and not stray.exists(), "tidied up")
    assert ask(gateway, "GET", f"media/{media['mediaId']}").body == b"alpha"


def wait_until(condition, what: str) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends, what
        time.sleep(0.02)
