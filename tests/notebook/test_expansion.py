"""Replacement fields of a question: values go in, code stays, and what fails is told."""

from __future__ import annotations

import time

import pytest

from clawdbot_ext.notebook.expansion import FieldProblem, expand


class Frame:
    shape = (12, 3)


VALUES = {
    "spread": 8.0443,
    "x": "it's",
    "f": len,
    "rows": [1, 2],
    "n": 3,
    "i": 5,
    "a": 1,
    "b": 2,
    "width": 8,
    "d": {"k": 7},
    "name": "Ann",
    "frame": Frame(),
    "price": 12345.5,
    "id": id,
}


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("{spread:.1f} cm", "8.0 cm"),
        ("{x!r}", '"it\'s"'),
        ("{f(x)}", "4"),
        ("{len(rows)} rows", "2 rows"),
        ("{name}{n}", "Ann3"),
        ("file_{n}.csv", "file_3.csv"),
        ("{d['k']} {d[\"k\"]}", "7 7"),
        ("{frame.shape[0]}", "12"),
        ("{price:>{width}.1f}|", " 12345.5|"),
        ("{name=} {price=:.0f}", "name='Ann' price=12346"),
        ("{n != 3} {a if n == 3 else b}", "False 1"),
        ("{[row * n for row in rows]}", "[3, 6]"),
        ("{'; '.join(str(r) for r in rows)}", "1; 2"),
        ("{'\\n'.join(['p', name])}", "p\nAnn"),
        ("{(a, b)}", "(1, 2)"),
        ("{{k: v for k, v in d.items()}}", "{{k: v for k, v in d.items()}}"),
        ("costs $5, {n} cost $6", "costs $5, 3 cost $6"),
        ("무게는 {spread:.2f}예요", "무게는 8.04예요"),
    ],
)
def test_a_field_is_replaced_as_in_an_f_string(text: str, sent: str) -> None:
    assert expand(text, VALUES) == (sent, ())


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        "{'a': a}",
        '{"a": {"b": [a, b]}}',
        '{\n  "a": {n},\n  "b": 2\n}',
        "{a, b}",
        "{a: 1, b: 2}",
        "{a: b}",
        "{ a }",
        "{{a}}",
        "{{ name }}",
        "a{3} b{2,3}",
        "{}",
        "{",
        "}",
        "}{",
        "{a",
        "def f() { return {n}; }",
        "`{a}` and ``{b} ` {a}``",
        "```python\nprint(f'{a:.2f} {nothing:d}')\n{a}\n```",
        "~~~\n{a}\n~~~",
        "- list\n  ```\n  {a}\n  ```",
        "```\nopen {a}",
        'why does f"{a} {n:.1q}" fail',
        "f'''{a}\n{nothing()}'''",
        "rf'{n}' and fR\"{n}\"",
        "$x_{i}^{n}$",
        "$$\n\\sum_{i}\n$$",
        r"\(x_{i}\)",
        r"\[x_{i}\]",
        r"\frac{n}{a}",
        r"\begin{n}",
        r"\{n\}",
        "${n}",
        "#{n}",
        "{n!important}",
        "{*rows}",
        "{n for n in rows}",
    ],
)
def test_braces_of_code_and_text_stay(text: str) -> None:
    assert expand(text, VALUES) == (text, ())


@pytest.mark.parametrize("text", ["/items/{item_id}", "Keep {this}", "{props.children}", "{yes|no}", "{rows_[0]}"])
def test_a_name_that_no_variable_has_stays_and_is_reported(text: str) -> None:
    assert expand(text, VALUES) == (text, (text[text.index("{") :],))


def test_what_is_not_the_users_own_stays_unless_it_is_called() -> None:
    own = {"rows"}.__contains__
    assert expand("/items/{id} {len(rows)}", VALUES, own) == ("/items/{id} 2", ("{id}",))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{spred:.1f}", "NameError"),
        ("{nothing!r}", "NameError"),
        ("{nothing=}", "NameError"),
        ("{foo(n)}", "NameError"),
        ("{n / 0}", "ZeroDivisionError"),
        ("{rows[9]}", "IndexError"),
        ("{name:.1f}", "ValueError"),
        ("{frame.nothing}", "AttributeError"),
        ("{n:{nothing}}", "NameError"),
    ],
)
def test_a_field_that_fails_is_told(text: str, problem: str) -> None:
    with pytest.raises(FieldProblem) as told:
        expand(f"before {text} after", VALUES)
    assert told.value.field == text and told.value.problem.startswith(problem)


PUMPED = ("{", "{a", "`", "``` ", "$", "\\(", "f'", 'f"""', "}", "{a}{", "$a ", "`` ", "` `` ", "{a.b}", 'f"\n')


@pytest.mark.parametrize("pumped", PUMPED)
def test_twice_the_text_takes_about_twice_the_time(pumped: str) -> None:
    def seconds(characters: int) -> float:
        text = pumped * (characters // len(pumped))
        taken = []
        for _ in range(3):
            begun = time.process_time()
            expand(text, {})
            taken.append(time.process_time() - begun)
        return min(taken)

    assert seconds(8_000) < 0.02 + 3.5 * seconds(4_000)
