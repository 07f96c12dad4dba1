"""Markdown from outside as HTML in outputs: what it may hold, wherever a reply is cut, and that it still reads well."""

from __future__ import annotations

import random
import re
from html.parser import HTMLParser

import pytest

from clawdbot_ext.notebook.markup import MOST_CHARS, bundle, is_harmless, to_html
from tests.support.hostile import corpus

TAGS = {
    "a",
    "blockquote",
    "br",
    "code",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "span",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
}
VALUES = {"class", "href", "rel", "start", "style", "target"}
SHORT, PLACES = 400, 20


class Checked(HTMLParser):
    """Faults of HTML, and its texts apart from code."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []
        self.texts: list[str] = []
        self._code = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self._code += tag in ("code", "pre")
        if tag not in TAGS:
            self.wrong.append(tag)
        for name, value in attrs:
            if name not in VALUES or (name == "href" and not re.match("(https?|mailto):", value, re.I)):
                self.wrong.append(f"{tag} {name}={value}")
            if name == "style" and value not in (
                "text-align:left",
                "text-align:right",
                "text-align:center",
                "white-space:pre-wrap",
            ):
                self.wrong.append(value)

    def handle_endtag(self, tag):
        self._code -= tag in ("code", "pre")

    def handle_data(self, data):
        if not self._code:
            self.texts.append(data)

    def handle_comment(self, data):
        self.wrong.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def test_r10_a_hostile_reply_becomes_harmless_html_wherever_it_is_cut():
    for text in corpus():
        cuts = range(len(text) + 1)
        if len(text) > SHORT:
            cuts = [*random.Random(4).choices(cuts, k=PLACES), len(text)]
        for cut in cuts:
            found = Checked(to_html(text[:cut]))
            assert found.wrong == [], text[:cut]
            # what a typesetter would take for a formula is either one of ours or cut apart
            formulas = [each for each in found.texts if each.count("$") > 1 or ("\\" in each and each != "\\")]
            assert all(each.startswith("$") and is_harmless(each.strip("$")) for each in formulas), text[:cut]


@pytest.mark.parametrize(
    "tex",
    [
        r"\href{javascript:x}{y}",
        r"\style{a}{b}",
        r"\class{a}{b}",
        r"\cssId{a}{b}",
        r"\require{html}",
        r"\unicode{x41}",
        r"\def\a{b}",
        r"\newcommand\a{b}",
        r"\let\a=\href",
        r"\url{x}",
        r"\includegraphics{x}",
        r"\data{a=b}{c}",
        r"\\\href{}",
        r"\text{$x$}",
        r"\begin{html}x\end{html}",
        r"\csname href\endcsname",
        r"\bbox[url(x)]{y}",
        r"\hspace{9999em}",
        r"\mmlToken{mi}[href=javascript:x]{y}",
        r"\begin{x",
        "\\href",
        r"\input{/etc/passwd}",
        r"\toggle{a}{b}\endtoggle",
    ],
)
def test_r10_a_formula_that_does_more_than_draw_is_shown_as_written(tex):
    assert not is_harmless(tex)
    assert "\\" not in "".join(text for text in Checked(to_html(f"${tex}$")).texts if len(text) > 1)


@pytest.mark.parametrize(
    "tex",
    [
        r"x^2",
        r"\frac{a}{b}",
        r"\begin{pmatrix}a & b\\c & d\end{pmatrix}",
        r"\sum_{i=1}^n \alpha_i",
        r"\text{for all } x",
        r"50\%",
        r"f'(x) \to \infty",
        r"\left\{ x \mid x > 0 \right\}",
    ],
)
def test_formulas_that_draw_stay_for_the_typesetter(tex):
    assert is_harmless(tex)
    shown = Checked(to_html(f"So ${tex}$, \\({tex}\\) and\n\n$$\n{tex}\n$$\n"))
    assert [text for text in shown.texts if "$" in text] == [f"${tex}$", f"${tex}$", f"$${tex}$$"]


def test_markdown_reads_as_it_should():
    html = to_html(
        "# T\n\n**b** *i* ~~s~~ `c`\n\n| a | b |\n|-|-:|\n| 1 | 2 |\n\n> q\n\n1. x\n\n```python\nprint('<')\n```\n"
    )
    for part in (
        "<h1>T</h1>",
        "<strong>b</strong> <em>i</em> <s>s</s> <code>c</code>",
        '<td style="text-align:right">2</td>',
        "<blockquote>",
        "<li>x</li>",
        "<pre><code class=\"language-python\">print('&lt;')\n</code></pre>",
    ):
        assert part in html, part
    assert "It costs $" in "".join(Checked(to_html("It costs $5 or $10.")).texts) and "<a" not in to_html("[x](y.py)")
    assert '<a href="https://e.example/p"' in to_html("![plot](https://e.example/p)") and "plot (e.example)" in to_html(
        "![plot](https://e.example/p)"
    )


def test_a_bundle_has_no_markdown_and_nothing_that_steers_a_terminal():
    made = bundle("**a**\x1b]0;title\x07\x9b2J\nb\tc\r")
    assert set(made) == {"text/html", "text/plain"} and made["text/plain"] == "**a**]0;title2J\nb\tc"


def test_a_very_long_text_is_shown_as_it_was_written():
    text = "<b>" + "[" * MOST_CHARS
    assert to_html(text).startswith('<pre style="white-space:pre-wrap">&lt;b&gt;[[[')
