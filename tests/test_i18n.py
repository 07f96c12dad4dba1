"""Every text of gateway, agent, server, CLI and page exists in every language, with the same facts."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path

import pytest

from clawdbot_ext import i18n
from clawdbot_ext.cli.exit_codes import REASONS

FOLDER = Path(i18n.__file__).parent / "locale"
PAGE = Path(__file__).resolve().parent.parent / "static" / "src" / "i18n"
AREAS = {
    f"{folder.name}/{path.name.removesuffix('en.json').strip('.')}": path
    for folder in (FOLDER, PAGE)
    for path in sorted(folder.glob("*en.json"))
}
"""The English catalogues: ``locale/cli``, ``i18n/settings`` …; ``i18n/`` is what the page loads first."""
OTHERS = [language for language in i18n.LANGUAGES if language != "en"]

PARTICLES = ("을", "를", "이", "가", "은", "는", "와", "과", "으로", "로", "이라", "라", "아", "야", "이나", "나")
"""Which of a pair is right depends on the last sound of the word before it; that of a placeholder is unknown. Behind
a bracket the word before the bracket decides: ``저장소({path})가`` is right."""
AFTER_PLACEHOLDER = re.compile(rf"\}}[`'\"*”’]*({'|'.join(PARTICLES)})(?![가-힣])")


def texts(area: str, language: str) -> dict[str, str]:
    english = AREAS[area]
    found = json.loads((english.parent / english.name.replace("en.json", f"{language}.json")).read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def test_no_catalogue_has_a_key_twice() -> None:
    """The last one would hold, and two changes that are merged may bring one each."""
    twice = []
    for path in (*FOLDER.glob("*.json"), *PAGE.glob("*.json")):
        keys = [key for key, _ in json.loads(path.read_text("utf-8"), object_pairs_hook=list)]
        twice += [(path.name, key) for key in {*keys} if keys.count(key) > 1]
    assert twice == []


def placeholders(text: str) -> set[str]:
    """The facts of a text. A number that only chooses a noun (``{count|file|files}``) is none."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None and "|" not in name}


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("area", AREAS)
def test_a_language_has_the_keys_of_english(area: str, language: str) -> None:
    assert list(texts(area, language)) == list(texts(area, "en"))


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("area", AREAS)
def test_a_translation_tells_the_same_facts(area: str, language: str) -> None:
    english, other = texts(area, "en"), texts(area, language)
    assert {key: placeholders(text) for key, text in other.items()} == {
        key: placeholders(text) for key, text in english.items()
    }


@pytest.mark.parametrize("language", i18n.LANGUAGES)
@pytest.mark.parametrize("area", AREAS)
def test_no_text_is_empty_or_has_blanks_around_it(area: str, language: str) -> None:
    assert [key for key, text in texts(area, language).items() if not text or text != text.strip()] == []


@pytest.mark.parametrize("area", AREAS)
def test_no_korean_particle_follows_a_placeholder(area: str) -> None:
    assert [text for text in texts(area, "ko").values() if AFTER_PLACEHOLDER.search(text)] == []


@pytest.mark.parametrize("text", ["{name}을 엽니다", "`{name}`가 없어요", "**{name}**로 바꿨어요"])
def test_the_particle_check_sees_particles(text: str) -> None:
    assert AFTER_PLACEHOLDER.search(text)


@pytest.mark.parametrize("text", ["{count}개", "{name} 모델을 써요", "{when}까지", "저장소({path})가"])
def test_the_particle_check_lets_counters_and_nouns_be(text: str) -> None:
    assert not AFTER_PLACEHOLDER.search(text)


WORD = re.compile(r"""["']([\w.-]+)["']|\b(\w+)\s*[:=]""")
TEMPLATE = re.compile(r"""\bf(?=(?:"([\w.]*\{[^"\n]*)"|'([\w.]*\{[^'\n]*)'))""")
LOOKED_UP = {
    "locale/click": "by Click",
    "locale/refusals": "by the message that is raised",
    "locale/settings": "by the settings' own names, units and texts",
}
"""Catalogues whose keys are no names of texts; they have tests of their own."""


def unused(keys: list[str], source: str) -> list[str]:
    """Those that no string of the source names, and no f-string makes of words that it has."""
    words = {word for found in WORD.findall(source) for text in found for word in (text, *text.split("."))}
    templates = {"".join(found) for found in TEMPLATE.findall(source)}
    makers = [
        re.compile(
            "".join("(.*)" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]*\})", each))
        )
        for each in templates
        if re.fullmatch(r"[\w.]+", re.sub(r"\{[^}]*\}", "", each))
    ]
    made = {
        key
        for key in keys
        if key not in words
        for match in (maker.fullmatch(key) for maker in makers)
        if match and all(group in words or set(group.split(".")) <= words | {""} for group in match.groups())
    }
    return [key for key in keys if key not in words | made]


def test_no_text_of_the_package_is_used_nowhere() -> None:
    source = "\n".join(path.read_text("utf-8") for path in sorted(FOLDER.parent.rglob("*.py")))
    areas = [area for area in AREAS if area.startswith("locale/") and area not in LOOKED_UP]
    assert unused(sorted({key for area in areas for key in texts(area, "en")}), source) == []


def test_the_check_of_unused_texts_sees_them() -> None:
    source = (
        """say("a.one"); say(f"b.{kind}.text"); kinds = ("two", "three"); f"{t(f'{word}Question')}"; word = "fix" """
    )
    keys = ["a.one", "a.gone", "b.two.text", "b.gone.text", "fixQuestion", "goneQuestion"]
    assert unused(keys, source) == ["a.gone", "b.gone.text", "goneQuestion"]


def test_each_reason_that_the_terminal_has_a_text_for_is_looked_up_there() -> None:
    prefix = "error.reason."
    assert {key for key in texts("locale/cli", "en") if key.startswith(prefix)} == {prefix + each for each in REASONS}


AVOIDED = re.compile("제공자|공급자|되살|내려받|비디오|붐비|붐벼|혼잡|언급")
"""Words for which CONTRIBUTING's list has another."""


@pytest.mark.parametrize("area", AREAS)
def test_one_thing_has_one_name_in_korean(area: str) -> None:
    assert [text for text in texts(area, "ko").values() if AVOIDED.search(text)] == []


AWAY = json.loads((PAGE.parent.parent / "test" / "gateway-away.json").read_text("utf-8"))
"""The words for a gateway that is away, and each text that says them, with the command that it leads to."""
OTHER_WORDS = re.compile(
    r"(?i)gateway( (at|on) \{\w+\})? (does not|doesn't) (answer|respond)|no gateway (answers|responds)|"
    r"응답하는 게이트웨이가 없|게이트웨이의 응답이 없"
)


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_each_window_says_in_the_same_words_that_the_gateway_is_away_and_what_to_run(language: str) -> None:
    words = AWAY["words"][language]
    listed = {(row["area"], row["key"]): row["run"] for row in AWAY["texts"]}
    said = {
        (area, key): text for area in AREAS for key, text in texts(area, language).items() if text.startswith(words)
    }
    assert said.keys() == listed.keys()
    assert [text for at, text in said.items() if listed[at] not in text] == []
    assert [text for area in AREAS for text in texts(area, language).values() if OTHER_WORDS.search(text)] == []


@pytest.mark.parametrize(("lines", "text"), [(1, "1 line"), (2, "2 lines"), (0, "0 lines"), ("1", "1 line")])
def test_a_number_brings_its_noun(lines: object, text: str) -> None:
    t = i18n.catalogue("cli")
    facts = {"number": 1, "count": 1, "file": "a", "messages": 3, "skipped": lines}
    assert t("en", "import.progress", **facts) == f"[1/1] a: 3 messages added, {text} skipped"
    assert t("ko", "import.progress", **facts).endswith(f"메시지 3개 추가, {lines}줄 제외")
