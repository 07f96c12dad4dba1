import { Lexer } from "marked";
import { describe, expect, test, vi } from "vitest";

import { GrowingText } from "../src/markdown/blocks.js";
import type { Block } from "../src/markdown/blocks.js";
import { mathAt } from "../src/markdown/math-rule.js";
import { mend, mendFence } from "../src/markdown/mend.js";
import { lexBlocks, toHtml } from "../src/markdown/parse.js";

function render(source: string): string {
  return toHtml(lexBlocks(source, {}, false)).trim();
}

/** The text of a block as a reader sees it. */
function visible(block: Block | null): string {
  if (!block) return "";
  const text = block.code ? block.code.text : block.html.replace(/<[^>]+>/g, "");
  return text
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, "&");
}

function show(blocks: readonly Block[]): string {
  return blocks.map((block) => block.html.trim() || JSON.stringify(block.code)).join("\n");
}

describe("emphasis in front of Korean particles", () => {
  test.each([
    ["**중요(필수)**입니다", "<strong>중요(필수)</strong>입니다"],
    ["**`git push`**를 실행", "<strong><code>git push</code></strong>를 실행"],
    ['**"인용"**은', "<strong>&quot;인용&quot;</strong>은"],
    ["이것은**(중요)** 해요", "이것은<strong>(중요)</strong> 해요"],
    ["**A(1)**는 **B(2)**는", "<strong>A(1)</strong>는 <strong>B(2)</strong>는"],
    ["*강조(주의)*예요", "<em>강조(주의)</em>예요"],
    ["**결론:**그래서", "<strong>결론:</strong>그래서"],
    ["**이미** 되던 것", "<strong>이미</strong> 되던 것"],
  ])("%s", (source, html) => {
    expect(render(source)).toBe(`<p>${html}</p>`);
  });

  test.each([
    ["**bold** and *it* and ***both***", "<strong>bold</strong> and <em>it</em> and <em><strong>both</strong></em>"],
    ["2 * 3 * 4 and a ** b ** c", "2 * 3 * 4 and a ** b ** c"],
    ["`**not**`", "<code>**not**</code>"],
    ["snake_case_name", "snake_case_name"],
  ])("other text is as CommonMark has it: %s", (source, html) => {
    expect(render(source)).toBe(`<p>${html}</p>`);
  });
});

describe("tildes and addresses in Korean", () => {
  test.each([
    ["10~20도, 습도는 30~40%", "10~20도, 습도는 30~40%"],
    ["~취소~ 3~4시", "~취소~ 3~4시"],
    ["~~취소(어제)~~입니다", "<del>취소(어제)</del>입니다"],
    ["~~a `~~` b~~, ~~ c ~~", "<del>a <code>~~</code> b</del>, ~~ c ~~"],
  ])("%s", (source, html) => {
    expect(render(source)).toBe(`<p>${html}</p>`);
  });

  test.each([
    ["https://example.com에서 받아요", "https://example.com", "에서 받아요"],
    ["(https://e.com/x)을 보세요", "https://e.com/x", ")을 보세요"],
    ["www.x.com은 닫혔다", "www.x.com", "은 닫혔다"],
    ["https://e.com/foo。다음", "https://e.com/foo", "。다음"],
    ["https://e.com/a/b.html을 보면", "https://e.com/a/b.html", "을 보면"],
    ["https://e.com/에서", "https://e.com/", "에서"],
    ["http://localhost:8888에서", "http://localhost:8888", "에서"],
    ["http://127.0.0.1에 있어요", "http://127.0.0.1", "에 있어요"],
    ["「https://e.com/x」と", "https://e.com/x", "」と"],
    ["https://e.com/x(1)입니다.", "https://e.com/x(1)", "입니다."],
    ["https://ko.wikipedia.org/wiki/대한민국 참고", "https://ko.wikipedia.org/wiki/대한민국", " 참고"],
    ["https://e.com/2024-보고서.pdf 참고", "https://e.com/2024-보고서.pdf", " 참고"],
    ["https://e.com/a?q=가 참고", "https://e.com/a?q=가", " 참고"],
    ["https://e.com/a_(b), ok", "https://e.com/a_(b)", ", ok"],
  ])("an address ends where the sentence goes on: %s", (source, address, rest) => {
    const shown = render(source);
    expect(shown).toContain(`>${address}</a>${rest}</p>`);
    expect(shown).toContain(address.startsWith("www") ? `href="http://${address}"` : `href="${address}"`);
  });
});

describe("what could do harm", () => {
  test("raw HTML is shown, not obeyed", () => {
    expect(render("a <b onclick=x>b</b>")).toBe("<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>");
    expect(render("<script>alert(1)</script>")).toBe("&lt;script&gt;alert(1)&lt;/script&gt;");
  });

  test("a line break is the one tag that means what it says", () => {
    expect(render("a<br>b")).toBe("<p>a<br>b</p>");
  });

  test("links open elsewhere, do not tell where from, and lead to the web or to mail only", () => {
    expect(render("[a](https://x.test/?a=1&b=2)")).toBe(
      '<p><a href="https://x.test/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">a</a></p>',
    );
    for (const address of ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "/api"]) {
      expect(render(`[a](${address})`)).toBe("<p>a</p>");
    }
  });

  test("a remote image is a link with its host, never a request", () => {
    const html = render("![chart](https://evil.test/p.png?d=secret)");
    expect(html).not.toContain("<img");
    expect(html).toContain("evil.test");
  });

  test("an image inside the message is shown, unless it can hold a script", () => {
    expect(render("![x](data:image/png;base64,AAAA)")).toContain("<img");
    expect(render("![x](data:image/svg+xml;base64,AAAA)")).not.toContain("<img");
  });
});

describe("math", () => {
  test.each([
    ["$x^2$", "x^2"],
    ["$\\alpha$", "\\alpha"],
    ["$n$는", "n"],
    ["$2x + 1 = 0$", "2x + 1 = 0"],
    ["\\(a+b\\)", "a+b"],
    ["$$E = mc^2$$", "E = mc^2"],
  ])("%s is math", (source, tex) => {
    expect(mathAt(source, "")?.tex).toBe(tex);
  });

  test.each([
    "It costs $5 and $10.",
    "between $5-$10",
    "$20, or US$30",
    "($5)/($10)",
    "set $HOME and $PATH",
    "$HOME:$PATH",
    "a lone $ sign",
    "$ x $",
    "price$x$",
  ])("%s is not", (source) => {
    expect(render(source)).not.toContain("math");
    expect(render(source).replace(/<[^>]+>/g, "")).toBe(source);
  });

  test("a formula on its own lines is displayed", () => {
    expect(render("$$\n\\int_0^1 x\\,dx\n$$")).toBe('<div class="math display">\\int_0^1 x\\,dx</div>');
    expect(render("\\[\na < b\n\\]")).toBe('<div class="math display">a &lt; b</div>');
  });

  test("in code it is code", () => {
    expect(render("`$x$`")).toBe("<p><code>$x$</code></p>");
  });
});

test("tables scroll inside themselves, tasks are drawn as boxes", () => {
  expect(render("| a |\n|---|\n| 1 |")).toContain('<div class="table"><table><thead>');
  expect(render("- [x] done")).toContain('<span class="task">☑</span>');
});

const SAMPLE = `# Title

A paragraph with **bold**, *italic*, \`code\`, ~~gone~~ and [a link](https://x.test/a_(b)).
Second line of it.

- one
- two
  - nested **item**

  still two

1. first

2. second

| a | b |
|---|--:|
| 1 | 2 |

> quoted
> text

\`\`\`python
def f(x):
    """Doc with \`\`inner\`\` ticks"""
    return f"{x}"
\`\`\`

Inline $x_i^2$ and a price of $5.

$$
\\sum_{i=1}^{n} x_i

= 1
$$

**중요(필수)**입니다. See [the reference][r].

Setext
------

    indented code

Last.

[r]: https://ref.test/ "Reference"
`;

describe("a text that grows", () => {
  test.each([1, 2, 3, 7, 20, 64])("in pieces of %i ends as if it had come at once", (size) => {
    const whole = show(new GrowingText().update(SAMPLE, true).settled);
    const growing = new GrowingText();
    let blocks: Block[] = [];
    for (let end = size; end < SAMPLE.length; end += size) {
      const growth = growing.update(SAMPLE.slice(0, end), false);
      blocks = growth.reset ? growth.settled : [...blocks, ...growth.settled];
    }
    const last = growing.update(SAMPLE, true);
    blocks = last.reset ? last.settled : [...blocks, ...last.settled];
    expect(show(blocks)).toBe(whole);
  });

  test("settles each block once: what stands is never drawn again", () => {
    const growing = new GrowingText();
    const first = growing.update("One.\n\nTwo.\n\nThr", false);
    expect(first.settled.map(visible).map((text) => text.trim())).toEqual(["One.", "Two."]);
    const second = growing.update("One.\n\nTwo.\n\nThree", false);
    expect(second).toMatchObject({ reset: false, settled: [] });
    expect(visible(second.tail).trim()).toBe("Three");
  });

  test("never shows a marker whose meaning is not known yet", () => {
    const growing = new GrowingText();
    for (let end = 1; end < SAMPLE.length; end++) {
      const { settled, tail } = growing.update(SAMPLE.slice(0, end), false);
      for (const block of settled) if (!block.code) expect(visible(block)).not.toMatch(/\*\*|~~|\]\(|^\||^```/m);
      if (tail && !tail.code) expect(visible(tail)).not.toMatch(/\*\*|~~|\]\(|^\||`|^#|\$\$/m);
    }
  });

  test("what was shown of a paragraph only grows", () => {
    const source = "Some **bold text** with `code` and *more* of [it](https://x.test) here.";
    const growing = new GrowingText();
    let before = "";
    for (let end = 1; end <= source.length; end++) {
      const now = visible(growing.update(source.slice(0, end), false).tail).trimEnd();
      expect(now.startsWith(before.trimEnd())).toBe(true);
      before = now;
    }
  });

  test("headings fit into the page: the first is the top, none is more than a step down", () => {
    const html = show(new GrowingText().update("## A\n\n#### B\n\n### C\n\n# D", true).settled);
    expect(html.match(/<h\d/g)).toEqual(["<h3", "<h4", "<h4", "<h3"]);
  });

  test("another text starts over", () => {
    const growing = new GrowingText();
    growing.update("One.\n\nTwo", false);
    expect(growing.update("Else", false)).toMatchObject({ reset: true, settled: [] });
  });

  test("a definition at the very end reaches back", () => {
    const growing = new GrowingText();
    growing.update("See [it].\n\nMore", false);
    const last = growing.update("See [it].\n\nMore\n\n[it]: https://x.test", true);
    expect(last.reset).toBe(true);
    expect(show(last.settled)).toContain('href="https://x.test"');
  });

  test("the work for a delta does not grow with the message", () => {
    const paragraph = "Some words that make a paragraph of text, and then some more of them.\n\n";
    const growing = new GrowingText();
    growing.update(paragraph.repeat(500), false);
    const lex = vi.spyOn(Lexer.prototype, "lex");
    for (let n = 0; n < 100; n++) growing.update(paragraph.repeat(500) + "x".repeat(n + 1), false);
    const longest = Math.max(...lex.mock.calls.map(([source]) => source.length));
    lex.mockRestore();
    expect(longest).toBeGreaterThanOrEqual(100);
    expect(longest).toBeLessThan(10 * paragraph.length);
  });
});

describe("mending the end", () => {
  test.each([
    ["**bo", "**bo**"],
    ["a *b", "a *b*"],
    ["**a *b", "**a *b***"],
    ["**bold*", "**bold**"],
    ["use `co", "use `co`"],
    ["``a ` b", "``a ` b``"],
    ["see [the d", "see the d"],
    ["see [the docs](https://x", "see the docs"],
    ["pic ![al", "pic "],
    ["~~ol", "~~ol~~"],
    ["x \\(a+", "x "],
    ["x $\\al", "x "],
    ["text\n-", "text\n"],
    ["text\n\n1", "text\n\n"],
    ["| a | b", ""],
    ["para\n\n| a | b |\n|--", "para\n\n"],
    ["costs $5 and", "costs $5 and"],
    ["2 * 3", "2 * 3"],
    ["done.", "done."],
  ])("%j is shown as %j", (source, shown) => {
    expect(mend(source)).toBe(shown);
  });

  test("a table is shown from its second row on, and its rows as they come", () => {
    expect(mend("| a |\n|---|")).toBe("| a |\n|---|");
    expect(mend("| a |\n|---|\n| 1")).toBe("| a |\n|---|\n| 1");
  });

  test("half of a closing fence is no code", () => {
    expect(mendFence("x = 1\n``")).toBe("x = 1");
    expect(mendFence("x = `1`")).toBe("x = `1`");
  });
});

describe("footnotes", () => {
  const labels = (source: string): string[] => {
    const text = new GrowingText();
    text.update(source, true);
    return [...text.notes].map(([label, note]) => `${label}=${note}`);
  };

  test.each([
    ["Text[^1]\n[^1]: One\ngoes on\n\n    and on\n\nText", ["1=One\ngoes on\n\nand on"]],
    ["[^a]: A\n[^b]: B\n[^a]: again", ["a=A", "b=B"]],
    ["[^1]: word\n- list", ["1=word"]],
    ["> [^1]: quoted", []],
    ["`[^1]: code`", []],
    ["[^two words]: no", []],
  ])("%j", (source, notes) => expect(labels(source)).toEqual(notes));

  test("a note within a quotation is shown as it was written", () => {
    expect(render("> [^1]: word")).toContain(": word");
  });
});
