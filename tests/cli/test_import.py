"""Files that are imported, in the encodings that editors and shells write."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest

from clawdbot_ext.cli import import_
from clawdbot_ext.cli.import_ import labels, parts
from clawdbot_ext.gateway.sessions.import_formats import read
from clawdbot_ext.protocol.schema import SessionsImportParams

ROWS = [
    {"type": "session", "id": "s-1"},
    {
        "type": "message",
        "id": "a",
        "timestamp": "2026-11-02T09:00:00Z",
        "message": {"role": "user", "content": "안녕하세요, 반갑습니다"},
    },
]
EXPORT = {
    "format": "clawdbot-jupyter/conversation",
    "sessionId": "s-2",
    "messages": [{"id": "a", "role": "user", "content": "안녕하세요, 반갑습니다", "timestamp": 1_793_610_000_000}],
}
LINES = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
DOCUMENT = json.dumps(EXPORT, ensure_ascii=False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp949"])
@pytest.mark.parametrize(("text", "session"), [(LINES, "s-1"), (DOCUMENT, "s-2")], ids=["transcript", "export"])
def test_a_file_is_imported_in_its_encoding(tmp_path: Path, encoding: str, text: str, session: str) -> None:
    (tmp_path / "a").write_bytes(text.encode(encoding))
    found = read(SessionsImportParams(content="".join(parts(tmp_path / "a"))))
    assert found.session_id == session and not found.skipped
    content = found.messages[0].message["content"]
    assert content == [{"type": "text", "text": "안녕하세요, 반갑습니다"}]


@pytest.mark.parametrize("text", [LINES, DOCUMENT], ids=["transcript", "export"])
def test_the_gateway_takes_a_mark_before_the_content(text: str) -> None:
    assert read(SessionsImportParams(content="\ufeff" + text)) == read(SessionsImportParams(content=text))


def test_names_beside_transcripts_are_read_with_a_mark(tmp_path: Path) -> None:
    rows = {"x": {"sessionId": "s-1", "label": "회의"}}
    (tmp_path / "sessions.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(rows).encode())
    assert labels(tmp_path) == {"s-1": "회의"}


class Taking:
    """A client whose gateway takes everything."""

    async def request(self, method: str, params: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        return {"messages": 1, "skipped": [], "keys": ["agent:main:a"]}


def test_of_a_large_file_it_is_said_how_far_it_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(import_, "PART_CHARS", len(LINES))
    (tmp_path / "a.jsonl").write_text("\n".join([*LINES.split("\n"), *LINES.split("\n")[1:] * 3]), encoding="utf-8")

    def told(*, percent: int) -> str:
        return f"{percent} %"

    sent = asyncio.run(import_._send(cast(Any, Taking()), tmp_path / "a.jsonl", None, told))
    assert sent == (4, 0, "agent:main:a")
    percents = [int(line.split()[0]) for line in capsys.readouterr().err.splitlines()]
    assert len(percents) == 3 and percents == sorted(percents) and percents[0] > 0 and percents[-1] < 100
