"""Reading on in an attachment of which the model was shown a part."""

from __future__ import annotations

import asyncio
import hashlib
import re
import unicodedata
from pathlib import Path

import pytest

from clawdbot_ext.agent.media.api import MediaFile
from clawdbot_ext.gateway.hands.attached import _found
from tests.support.media import png, upload
from tests.support.obeying import HandsGateway
from tests.support.strict_api import call, wants
from tests.support.wire import run


def test_the_rest_of_a_large_file_is_read_in_parts_by_lines_and_by_code(obeying: HandsGateway) -> None:
    lines = [f"{number},가나다,값 {number}" for number in range(60_000)]
    table, picture = "\n".join(["번호,이름,값", *lines]).encode("cp949"), png(4, 3)
    short, other = hashlib.sha256(table).hexdigest()[:8], hashlib.sha256(picture).hexdigest()[:8]

    async def main() -> None:
        files = [upload(obeying.gateway, "big.csv", table), upload(obeying.gateway, "a.png", picture)]
        async with obeying.person() as person:
            steps = [
                call("attachment_read", id=short, max_chars=1000, **{"from": 500_000}),
                call("attachment_read", id=short, find="값 59999"),
                call("attachment_read", id=other),
                call("attachment_read", id="0123456789"),
            ]
            attached = [{"mediaId": each["mediaId"]} for each in files]
            run_id, _ = await person.wire.send(wants(*steps), key=person.key, attachments=attached)
            part, found, image, missing = [m["content"][0]["text"] for m in await person.results(run_id)]
        end = int(re.search(r"Bytes 500000 to (\d+)\. Read on from \1\.", part)[1])
        assert part.endswith(table[500_000:end].decode("cp949")) and table[end - 1 : end] == b"\n"
        assert "1 lines contain it.\n60001: 59999,가나다,값 59999" in found
        assert "It is no text (image/png)" in image and "No attachment 0123456789" in missing
        stored = re.search(r"code on the gateway's machine can open (\S+) ", part)[1]
        assert await asyncio.to_thread(Path(stored).read_bytes) == table
        first = next(text for body in obeying.api.bodies for text in [str(body)] if "big.csv" in text)
        assert f"by the id {short}" in first and "60000 rows" in first

    run(main())


@pytest.mark.parametrize(
    ("line", "find", "shown"),
    [
        ("short line", "LINE", "1: short line"),
        ("x" * 5000 + " the needle " + "y" * 5000, "Needle", "1: [character 5006 of 10012] …xx"),
        ("needle" + "y" * 5000 + "needle", "needle", "1: [character 1 of 5012, 1 more in this line] needle"),
        ("y" * 5000 + "needle", "needle", "y needle"),
        ("ß" * 3000 + "바늘" + "y" * 3000, "바늘", "1: [character 3001 of 6002] …"),
        (unicodedata.normalize("NFD", "가" * 1000 + "바늘" + "가" * 1000), "바늘", "1: [character 1001 of 2002] …가"),
        ("바늘", unicodedata.normalize("NFD", "바늘"), "1: 바늘"),
    ],
)
def test_of_a_long_line_the_part_with_the_hit_is_shown(tmp_path: Path, line: str, find: str, shown: str) -> None:
    (tmp_path / "a.txt").write_text(f"{line}\nother\n", encoding="utf-8")
    file = MediaFile(tmp_path / "a.txt", "a.txt", "text/plain", "text", 1, "0" * 64)
    found = _found(file, "a.txt", find)
    assert "1 lines contain it." in found and shown.replace("y needle", "yneedle") in found
    hit = unicodedata.normalize("NFC", find).casefold()
    assert hit in found.casefold() and len(found) < 600
