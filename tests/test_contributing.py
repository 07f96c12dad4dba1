"""CONTRIBUTING's map is right: each file that it names exists, and each name is in its file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "clawdbot_ext"
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
COUNTS = {"": 1, "twice": 2, "three times": 3, "four times": 4}


def section(heading: str) -> str:
    return re.split(r"^#+ ", TEXT.partition(f" {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def rows(heading: str) -> list[list[str]]:
    lines = [line for line in section(heading).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if not line.startswith("| ---")]


ROWS = rows("To change X, open Y")[1:]


def is_path(name: str) -> bool:
    return "/" in name or name.endswith((".py", ".ts", ".md", ".json"))


def found(name: str, before: Path | None) -> list[Path]:
    """The files of a path: below the package, below the root, or beside the file that was named before."""
    bases = [PACKAGE, ROOT, *([before.parent] if before is not None else [])]
    return next((hits for base in bases if (hits := sorted(base.glob(name.rstrip("/"))))), [])


def problems(cells: list[str]) -> Iterator[str]:
    """The names in a row that are not there."""
    file: Path | None = None
    texts: list[str] = []
    for name in (name for cell in cells for name in re.findall(r"`([^`]+)`", cell)):
        if name.startswith("python -m "):
            module = name.split()[2].replace(".", "/")
            hits = [ROOT / f"{module}.py"]
        elif name.startswith(("npm run ", "pip ")):
            continue
        elif name.endswith("…"):
            texts.append(name.removesuffix("…"))
            continue
        elif is_path(name):
            hits = found(name, file)
            file = hits[0] if hits else file
            while texts and hits:
                prefix = texts.pop()
                keys = [set(json.loads(hit.read_text(encoding="utf-8"))) for hit in hits]
                if not all(any(key.startswith(prefix) for key in each) for each in keys):
                    yield f"{prefix} in {name}"
        else:
            source = file.rglob("*.py") if file is not None and file.is_dir() else [file] if file is not None else []
            defined = rf"(^|[^\w.]){re.escape(name)}\b"
            if not any(re.search(defined, path.read_text(encoding="utf-8"), re.MULTILINE) for path in source):
                yield f"{name} in {file}"
            continue
        if not hits or not all(hit.exists() for hit in hits):
            yield name
    yield from texts


@pytest.mark.parametrize("cells", ROWS, ids=lambda cells: cells[0])
def test_a_row_of_the_map_names_what_is_there(cells: list[str]) -> None:
    assert list(problems(cells)) == []


def test_the_check_of_the_map_finds_what_is_not_there() -> None:
    assert len(ROWS) >= 10
    assert list(problems(["x", "`config/setings.py`: `SETTINGS`"])) == ["config/setings.py", "SETTINGS in None"]
    assert list(problems(["x", "`config/settings.py`: `SETINGS`"])) == [f"SETINGS in {PACKAGE / 'config/settings.py'}"]
    assert list(problems(["x", "texts `no.such.…` in `locale/cli.*.json`"])) == ["no.such. in locale/cli.*.json"]
    assert list(problems(["x", "`python -m scripts.nothing`"])) == ["python -m scripts.nothing"]


def test_the_path_of_a_message_is_the_one_that_its_first_module_describes() -> None:
    named = re.findall(r"`([\w/]+\.py)`", section("Where things are").partition("in order\n")[2])
    head = (PACKAGE / "gateway/methods/chat.py").read_text(encoding="utf-8").partition('"""\n')[0]
    steps = re.findall(r"^\d\. (?:``([\w/]+\.py)``|This module)", head, re.MULTILINE)
    assert named == [step or "gateway/methods/chat.py" for step in steps] and len(named) == 8
    assert all((PACKAGE / name).is_file() for name in named)


def test_every_package_and_folder_is_on_the_map() -> None:
    named = {name.strip("/") for row in rows("Where things are") for name in re.findall(r"`([\w/]+)`", row[0])}
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages <= named
    assert {name for name in named if not (PACKAGE / name).exists() and not (ROOT / name).exists()} == {
        name for name in named if (PACKAGE / f"{name}.py").exists()
    }


def test_a_source_file_that_a_page_names_exists() -> None:
    """Pages of users' own configuration apart: ``jupyter_…_config.py``."""
    files = [
        path.as_posix()
        for folder in ("clawdbot_ext", "static", "labextension", "tests", "scripts", "benchmarks")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in (".py", ".ts") and "node_modules" not in path.parts
    ]
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "tests" / "README.md"]
    missing = {
        (page.name, name)
        for page in pages
        if page.name != "CHANGELOG.md"  # of its time
        for name in re.findall(r"`([\w/.-]+\.(?:py|ts))`", page.read_text(encoding="utf-8"))
        if not name.endswith("_config.py") and not any(file.endswith(f"/{name}") for file in files)
    }
    assert missing == set()


@pytest.mark.parametrize("exception", ["Exception", "BaseException"])
def test_the_broad_excepts_are_those_that_are_listed(exception: str) -> None:
    (line,) = re.findall(
        rf"^- [^\n]*`except {exception}`(.*?)(?=^- )", section("Exceptions to the rules"), re.MULTILINE | re.DOTALL
    )
    named = re.findall(r"`([\w/]+\.py)`,?\s*\(?(twice|three\s+times|four\s+times|)", line)
    listed = {name: COUNTS[count] for name, count in named}
    whole = [PACKAGE / name for name in re.findall(r"`([\w/]+/)`", line)]
    present = Counter(
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if not any(path.is_relative_to(folder) for folder in whole)
        for _ in re.findall(rf"^\s*except {exception}\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert listed == present
