"""Markdown from outside as HTML for the outputs of a notebook: no script in it, and nothing that is fetched.

Notebook programs do not sanitise the outputs of a cell that was run, neither HTML nor Markdown, so the answer of a
model must be harmless by itself: raw HTML is shown as text, links lead to web addresses alone, and images are links.
Formulas are left to the program's own typesetter where each of their commands is known to be harmless, else shown as
they were written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from ..client.markdown_parser import parser

MOST_CHARS = 100_000
"""Longer texts are shown as they were written: the time that a text takes grows with its length."""
_MOST_FORMULA, _MOST_LINES = 10_000, 100
"""Characters and lines of the longest formula."""
_DISPLAY = {"$$": "$$", "\\[": "\\]"}
"""Delimiters of a display formula."""
_WEB = re.compile(r"(?:https?://|mailto:)\S", re.IGNORECASE)
_LANGUAGE = re.compile(r"[\w+#.-]{1,32}")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_OUTWARD = {"target": "_blank", "rel": "noopener noreferrer nofollow"}


def bundle(text: str) -> dict[str, str]:
    """The MIME bundle of a text: HTML for notebook programs, its Markdown for terminals and other readers.

    There is no ``text/markdown``: most programs would render the raw HTML in it, and fetch its images.
    """
    return {"text/html": to_html(text), "text/plain": _CONTROLS.sub("", text)}


def to_html(text: str) -> str:
    """HTML of Markdown. Takes time in proportion to the length of the text, whatever is in it."""
    if len(text) > MOST_CHARS:
        return f'<pre style="white-space:pre-wrap">{escapeHtml(text)}</pre>'
    return str(_parser().render(text))


@cache
def _parser() -> MarkdownIt:
    made = parser(renderer_cls=_Renderer)
    made.block.ruler.before("fence", "formula", _formula_block, {"alt": ["paragraph", "blockquote", "list"]})
    made.inline.ruler.before("escape", "formula", _formula_inline)
    made.core.ruler.push("plain_links", _plain_links)
    return made


# -- links and images -------------------------------------------------------------------------------------------------
def _plain_links(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline":
            token.children = list(_plain(token.children or ()))


def _plain(tokens: Sequence[Token]) -> Iterator[Token]:
    """Links to web addresses stay, others become their text; an image becomes a link, within a link its description."""
    inside: list[bool] = []
    for token in tokens:
        if token.type == "link_open":
            address = str(token.attrGet("href") or "")
            inside.append(bool(_WEB.match(address)))
            if inside[-1]:
                token.attrs = {"href": address, **_OUTWARD}
                yield token
        elif token.type == "link_close":
            if inside.pop():
                yield token
        elif token.type == "image":
            yield from _image(token.content, str(token.attrGet("src") or ""), linked=any(inside))
        else:
            yield token


def _image(description: str, address: str, *, linked: bool) -> Iterator[Token]:
    host = _host(address)
    words = Token("text", "", 0, content=" ".join(part for part in (description, host and f"({host})") if part))
    if linked or not host:
        yield words
    else:
        yield Token("link_open", "a", 1, attrs={"href": address, **_OUTWARD})
        yield words
        yield Token("link_close", "a", -1)


def _host(address: str) -> str:
    """The host of a web address, to show where it leads; empty if it is none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return parts.netloc if parts.scheme in ("http", "https") else ""


# -- formulas ---------------------------------------------------------------------------------------------------------
def _formula_inline(state: StateInline, silent: bool) -> bool:
    found = _formula_at(state.src, state.pos, state.posMax)
    if found is None:
        return False
    tex, end, mark = found
    if not silent:
        token = state.push("formula", "", 0)
        token.content, token.markup = tex, mark
    state.pos = end
    return True


def _formula_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A formula with lines of its own: ``$$`` or ``\\[`` begins one line, its partner ends the same or a later one."""
    begin = state.bMarks[start] + state.tShift[start]
    opening = state.src[begin : begin + 2]
    if opening not in _DISPLAY or state.is_code_block(start):
        return False
    close = state.src.find(_DISPLAY[opening], begin + 2, begin + _MOST_FORMULA)
    if close < 0:
        return False
    line = start
    while line < end and state.eMarks[line] < close and line - start < _MOST_LINES:
        line += 1
    if line >= end or state.eMarks[line] < close or state.src[close + 2 : state.eMarks[line]].strip():
        return False
    if any(state.sCount[each] < state.blkIndent for each in range(start, line + 1) if not state.isEmpty(each)):
        return False  # it left the list that it began in
    tex = state.getLines(start, line + 1, state.blkIndent, False).strip()[2:-2].strip()
    if tex and not silent:
        token = state.push("formula_block", "", 0)
        token.content, token.markup, token.map = tex, "$$", [start, line + 1]
        state.line = line + 1
    return bool(tex)


def _formula_at(text: str, at: int, end: int) -> tuple[str, int, str] | None:
    """The formula at a place: its TeX, where it ends, its mark as ``$`` or ``$$``. Prices are none, as on the page."""
    most = min(end, at + _MOST_FORMULA)
    opening = text[at : at + 2]
    if opening in _DISPLAY or opening == "\\(":
        close = text.find(_DISPLAY.get(opening, "\\)"), at + 2, most)
        tex = text[at + 2 : close].strip() if close > 0 else ""
        return (tex, close + 2, "$$" if opening in _DISPLAY else "$") if tex else None
    if opening[0] != "$" or _touches(text[at - 1 : at]):
        return None
    close = text.find("$", at + 1, most)
    while close > 0 and text[close - 1] == "\\":
        close = text.find("$", close + 1, most)
    tex = text[at + 1 : close] if close > 0 else ""
    if not tex or tex != tex.strip() or "\n" in tex or _touches(text[close + 1 : close + 2]):
        return None
    if tex[0] in "0123456789,." and not re.search(r"[\\^_={]", tex):
        return None
    return tex, close + 1, "$"


def _touches(character: str) -> bool:
    return character in ("_", "$") or (character.isascii() and character.isalnum())


_COMMAND = re.compile(r"\\(?:([A-Za-z]+)|(.|\n|\Z))")
_ENVIRONMENT = re.compile(r"(?:begin|end)\s{0,9}\{([^}]{0,40})\}?")
_SYMBOLS = frozenset(",;:!>{}|%&#_'`=\"^~.- \n\\")
_ENVIRONMENTS = frozenset(
    """
    align align* aligned array Bmatrix bmatrix cases equation equation* gather gather* gathered matrix multline
    multline* pmatrix smallmatrix split vmatrix Vmatrix
""".split()  # noqa: SIM905 - words read better than a list of strings
)
_COMMANDS = frozenset(
    """
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa varkappa lambda mu nu xi omicron pi
    varpi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma
    Upsilon Phi Psi Omega aleph beth hbar ell wp Re Im imath jmath partial nabla infty emptyset varnothing angle
    triangle square Box diamond Diamond prime backprime degree dagger ddagger top bot forall exists nexists neg lnot
    frac dfrac tfrac cfrac binom dbinom tbinom sqrt over choose atop stackrel overset underset substack sideset sum
    prod coprod int iint iiint oint bigcup bigcap bigsqcup bigvee bigwedge bigoplus bigotimes bigodot biguplus
    limits nolimits displaystyle textstyle scriptstyle scriptscriptstyle pm mp times div cdot ast star circ bullet
    cap cup uplus sqcap sqcup vee wedge land lor setminus oplus ominus otimes oslash odot amalg ltimes rtimes le leq
    leqslant ge geq geqslant lt gt ll gg ne neq equiv sim simeq approx approxeq cong propto asymp doteq prec succ
    preceq succeq subset supset subseteq supseteq subsetneq supsetneq sqsubseteq sqsupseteq in ni notin not vdash
    dashv models vDash perp parallel nparallel mid nmid therefore because coloneqq triangleq lesssim gtrsim to gets
    leftarrow rightarrow leftrightarrow Leftarrow Rightarrow Leftrightarrow longleftarrow longrightarrow
    longleftrightarrow Longleftarrow Longrightarrow Longleftrightarrow implies impliedby iff mapsto longmapsto
    uparrow downarrow updownarrow Uparrow Downarrow nearrow searrow swarrow nwarrow hookrightarrow hookleftarrow
    rightharpoonup rightleftharpoons xrightarrow xleftarrow leadsto rightsquigarrow ldots cdots vdots ddots dots
    dotsb dotsc quad qquad thinspace left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr
    langle rangle lfloor rfloor lceil rceil lvert rvert lVert rVert vert Vert lbrace rbrace lbrack rbrack backslash
    hat widehat tilde widetilde bar overline underline vec overrightarrow overleftarrow dot ddot dddot acute grave
    check breve mathring overbrace underbrace boxed mathrm mathbf mathit mathsf mathtt mathcal mathscr mathfrak
    mathbb boldsymbol bm pmb operatorname mathop mathbin mathrel text textrm textbf textit texttt textsf mbox rm bf
    it cal arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf injlim ker lg lim liminf
    limsup ln log max min Pr projlim sec sin sinh sup tan tanh argmax argmin bmod pmod mod begin end hline tag notag
    nonumber
""".split()  # noqa: SIM905
)
"""Commands that draw. What defines, links, styles, loads or moves (``href``, ``def``, ``class``, ``require``, …) is not
among them, and no list of what is dangerous would be complete."""


def is_harmless(tex: str) -> bool:
    """Report whether every command of a formula only draws, in every typesetter."""
    if "$" in tex.replace("\\$", "") or any(name not in _ENVIRONMENTS for name in _ENVIRONMENT.findall(tex)):
        return False
    return all(word in _COMMANDS if word else symbol in _SYMBOLS for word, symbol in _COMMAND.findall(tex))


# -- HTML -------------------------------------------------------------------------------------------------------------
class _Renderer(RendererHTML):
    """Differs from CommonMark's in formulas, languages of code, and text that a typesetter would take for a formula."""

    def text(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        # Each alone in its element: typesetters look for delimiters within one piece of text.
        return re.sub(r"[$\\]", r"<span>\g<0></span>", escapeHtml(tokens[idx].content))

    def html_inline(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return escapeHtml(tokens[idx].content)  # there is none; a second lock

    html_block = html_inline

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        language = _LANGUAGE.match(tokens[idx].info.strip())
        marked = f' class="language-{language[0]}"' if language else ""
        return f"<pre><code{marked}>{escapeHtml(tokens[idx].content)}</code></pre>\n"

    def formula(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        tag = "span" if is_harmless(token.content) else "code"
        return f"<{tag}>{escapeHtml(token.markup + token.content + token.markup)}</{tag}>"

    def formula_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"<p>{self.formula(tokens, idx, options, env)}</p>\n"
