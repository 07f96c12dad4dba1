// @vitest-environment jsdom
import { expect, test } from "vitest";

import { lexBlocks, toHtml } from "../src/markdown/parse.js";
import { sanitizeMath, sanitizeMessage } from "../src/markdown/sanitize.js";
import { texToMathml } from "../src/markdown/temml.js";

/** The second lock has to hold alone: this HTML did not come from our renderer. */
const ATTACKS = [
  "<img src=x onerror=alert(1)>",
  "<svg onload=alert(1)>",
  '<a href="javascript:alert(1)">x</a>',
  '<a href="jav&#x09;ascript:alert(1)">x</a>',
  "<iframe src=//evil.test></iframe>",
  "<form action=//evil.test><input name=q><button>x</button></form>",
  "<style>*{background:url(//evil.test)}</style>",
  '<p style="background:url(//evil.test)">x</p>',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
  "<details open ontoggle=alert(1)>",
  "<template><script>alert(1)</script></template>",
  "<p id=composer name=composer>x</p>",
  "<object data=x></object><embed src=x><base href=//evil.test><link rel=stylesheet href=//evil.test><meta http-equiv=refresh content=0>",
  '<img src="data:image/svg+xml;base64,AAAA">',
  "<clawdbot-chat></clawdbot-chat>",
];

test.each(ATTACKS)("%s does nothing", (attack) => {
  const box = document.createElement("div");
  box.innerHTML = sanitizeMessage(attack);
  for (const element of box.querySelectorAll("*")) {
    expect(["a", "img", "p", "table", "div", "span"]).toContain(element.localName);
    for (const { name, value } of element.attributes) {
      expect(name).not.toMatch(/^on|^style$|^id$|^name$/);
      expect(value).not.toMatch(/^\s*(?:javascript|data:image\/svg)/i);
    }
  }
});

test.each(ATTACKS)("%s inside Markdown is text", (attack) => {
  const box = document.createElement("div");
  box.innerHTML = sanitizeMessage(toHtml(lexBlocks(`before ${attack} after\n\n${attack}`, {}, false)));
  expect(box.querySelector("img, a, svg, form, iframe, style, [style]")).toBeNull();
});

test("what Markdown needs gets through", () => {
  const html = toHtml(lexBlocks("[a](https://x.test) `c`\n\n3. x\n\n| a |\n|--:|\n| 1 |\n\n```py\n1\n```", {}, false));
  const box = document.createElement("div");
  box.innerHTML = sanitizeMessage(html);
  const link = box.querySelector("a");
  expect([link?.target, link?.rel]).toEqual(["_blank", "noopener noreferrer"]);
  expect(box.querySelector("ol")?.getAttribute("start")).toBe("3");
  expect(box.querySelector("th")?.getAttribute("align")).toBe("right");
  expect(box.querySelector("code.language-py")).not.toBeNull();
});

test("formulas become MathML and nothing else", () => {
  const box = document.createElement("div");
  box.innerHTML = sanitizeMath(texToMathml("\\frac{a}{b} \\href{javascript:alert(1)}{x}", true));
  expect(box.querySelector("math mfrac")).not.toBeNull();
  expect(box.querySelector("a, [href], [style], script")).toBeNull();
});
