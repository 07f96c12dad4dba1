"""Encodings: what a strict decoder knows is read so, one bad unit costs one character, statistics come last."""

from __future__ import annotations

import pytest

from clawdbot_ext.text_decoding import decode, encoding_of, is_text, piecewise

KOREAN = "제목: 분기 보고서\n매출이 12% 늘었습니다. 다음 주에 회의합니다.\n"
BOX = "┌──────┬──────┐\n│이름  │점수  │\n├──────┼──────┤\n│가나  │ 90   │\n└──────┴──────┘\n"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        *[(name, KOREAN) for name in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "cp949")],
        ("utf-16-le", "이름,나이,도시\n가람,31,서울\n"),
        ("cp949", BOX),
        ("cp949", "이름,점수"),
        ("cp949", "똠방각하와 펲시콜라를 마셨습니다. 그리고 집에 갔습니다. 참 좋은 하루였다고 생각합니다."),
        ("iso2022_kr", KOREAN),
        ("iso2022_jp", "四半期の報告書です"),
        ("shift_jis", "四半期の報告書です。売上は増えました。"),
        ("euc-jp", "四半期の報告書です。売上は増えました。"),
        ("gb18030", "本季度报告显示销售额增长了百分之十二"),
        ("big5", "本季度報告顯示銷售額增長"),
        ("cp1252", "Übergrößenträger kämpfen für süße Äpfel – schöne Grüße\n"),
        ("latin-1", "café"),
        ("cp1250", "Zażółć gęślą jaźń"),
    ],
)
def test_a_text_is_read_in_its_encoding(encoding: str, text: str) -> None:
    data = text.encode(encoding)
    assert is_text(data)
    assert decode(data).text.removeprefix("\ufeff") == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (KOREAN.encode() + b"\xff\n", KOREAN + "\ufffd\n"),
        (KOREAN[:9].encode() + b"\x80" + KOREAN[9:].encode(), KOREAN[:9] + "\ufffd" + KOREAN[9:]),
        (KOREAN.encode("cp949") + b"\xff\n", KOREAN + "\ufffd\n"),
        (b"an English log \xff with one odd byte", "an English log \ufffd with one odd byte"),
        (b"an English log \x00 with a NUL in it", "an English log \x00 with a NUL in it"),
    ],
    ids=["at the end", "in the middle", "cp949", "ascii", "nul"],
)
def test_one_bad_unit_costs_one_character(data: bytes, text: str) -> None:
    assert is_text(data)
    assert decode(data).text == text
    assert decode(data).bad == text.count("\ufffd")


@pytest.mark.parametrize("encoding", ["utf-8", "cp949", "utf-16-le"])
def test_a_cut_inside_the_last_character_drops_that_character(encoding: str) -> None:
    text = KOREAN.rstrip(".\n")
    assert decode(text.encode(encoding)[:-1]) == (text[:-1], encoding, True, 0)


def test_a_replacement_character_of_the_file_itself_is_no_bad_unit() -> None:
    assert decode("그대로 \ufffd".encode()).bad == 0


def test_what_is_no_text_is_not_taken_for_one() -> None:
    assert not is_text(bytes(range(256)) * 4)
    assert not is_text(b"MZ\x90" + bytes(100))
    assert not is_text(b"")
    assert is_text(b"a log that a crash ended\n" + bytes(40))


def test_the_encoding_of_a_long_text_is_known_from_its_beginning() -> None:
    assert encoding_of(KOREAN.encode("cp949")[:41]) == "cp949"
    assert encoding_of(KOREAN.encode()[:41]) == "utf-8"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "cp949"])
def test_a_piece_of_a_text_is_read_as_the_text_is(encoding: str) -> None:
    mark = "" if encoding == "cp949" else "\ufeff"
    data = (mark + "가나다 and more\n" * 40).encode(encoding)
    assert data[-20:].decode(piecewise(data), "replace").endswith("more\n" if "32" not in encoding else "ore\n")
