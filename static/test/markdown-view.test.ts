// @vitest-environment jsdom
import { beforeAll, expect, test } from "vitest";

import { MarkdownView } from "../src/elements/content/markdown-view.js";

beforeAll(() => {
  customElements.define("clawdbot-markdown", MarkdownView);
  Element.prototype.scrollIntoView = () => undefined; // jsdom has no view to scroll
});

function view(): MarkdownView {
  return document.createElement("clawdbot-markdown");
}

test("settled blocks keep their nodes while the text grows, and at its end", () => {
  const element = view();
  element.show("One.\n\nTwo", true);
  const first = element.children[0];
  element.show("One.\n\nTwo words.\n\nThree", true);
  const second = element.children[1];
  element.show("One.\n\nTwo words.\n\nThree.", false);
  expect(element.children[0]).toBe(first);
  expect(element.children[1]).toBe(second);
  expect(element.textContent.replace(/\s+/g, " ").trim()).toBe("One. Two words. Three.");
});

test("an open code block grows in place", () => {
  const element = view();
  element.show("```\na = 1\n", true);
  const code = element.querySelector("code");
  element.show("```\na = 1\nb = 2", true);
  expect(element.querySelector("code")).toBe(code);
  element.show("```\na = 1\nb = 2\n```\n\nDone", true);
  expect(element.querySelector("code")).toBe(code);
  expect(code?.textContent).toBe("a = 1\nb = 2");
});

test("code gets a button that copies it, also inside a list", () => {
  const element = view();
  element.show("- x\n\n  ```sh\n  ls\n  ```\n", false);
  expect(element.querySelector("li .code button.copy")?.textContent).toBe("Copy");
  expect(element.querySelector("li .code-bar span")?.textContent).toBe("sh");
});

test("known languages are coloured, with the text unchanged", async () => {
  const element = view();
  element.show("```python\ndef f(): pass\n```", false);
  await expect.poll(() => element.querySelector(".hljs-keyword")?.textContent).toBe("def");
  expect(element.querySelector("code")?.textContent).toBe("def f(): pass");
});

test("formulas are drawn as MathML", async () => {
  const element = view();
  element.show("$$x^2$$", false);
  await expect.poll(() => element.querySelector("math msup")).not.toBeNull();
});

const NOTED =
  "One[^1] and two[^b], again[^1]; `a[^1]` and [^a-z].\n\n[^b]: Second,\n    with more.\n[^1]: First, see[^c].\n[^c]: *Third*\n";

test("footnotes are numbered as they are cited, and lead there and back", async () => {
  const element = view();
  document.body.append(element);
  element.show(NOTED, false);
  await expect.poll(() => element.querySelectorAll("li").length).toBe(3);
  const items = [...element.querySelectorAll<HTMLElement>(".notes li")];
  expect(items.map((item) => item.textContent.trim())).toEqual([
    "First, see3. ↩ ↩2",
    "Second,\nwith more. ↩",
    "Third ↩",
  ]);
  expect(element.querySelector("p")?.textContent).toBe("One1 and two2, again1; a[^1] and [^a-z].");
  const second = element.querySelector<HTMLElement>("p .note a");
  second?.click();
  expect(document.activeElement).toBe(items[0]);
  items[0]?.querySelector<HTMLElement>(".note-back")?.click();
  expect(document.activeElement).toBe(second);
  element.remove();
});

test("a footnote never shows its marks while it is being written, and ends as if it had come at once", async () => {
  const whole = view();
  whole.show(NOTED, false);
  await expect.poll(() => whole.querySelectorAll("li").length).toBe(3);
  const element = view();
  const text = NOTED.replace(" and [^a-z]", "");
  for (let end = 1; end <= text.length; end++) {
    element.show(text.slice(0, end), true);
    const seen = [...element.children].map((block) => block.textContent.replace(/a\[\^?1?\]?/, "")).join("\n");
    expect(seen).not.toMatch(/\[\^|\^\d|\]:/);
  }
  element.show(text, false);
  expect(element.querySelector(".notes")?.textContent).toBe(whole.querySelector(".notes")?.textContent);
});
