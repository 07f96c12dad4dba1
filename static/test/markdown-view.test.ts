// @vitest-environment jsdom
import { beforeAll, expect, test } from "vitest";

import { MarkdownView } from "../src/ui/markdown-view.js";

beforeAll(() => customElements.define("clawdbot-markdown", MarkdownView));

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
