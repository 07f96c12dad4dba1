// @vitest-environment jsdom
/** Hostile replies, whole and half-written: whatever state the page is in, nothing in it may run or be fetched. */
import { describe, expect, test } from "vitest";

import { GrowingText } from "../src/markdown/blocks.js";
import { sanitizeMessage } from "../src/markdown/sanitize.js";
import { misleads } from "../src/elements/base/misleading-links.js";
import { visible } from "../src/elements/base/reveal-hidden.js";

import corpus from "./hostile.json";

/** Each a text, or pieces of one with how often they come. The browser's own test reads them, too. */
const CORPUS = (corpus as (string | [string, number][])[]).map((entry) =>
  typeof entry === "string" ? entry : entry.map(([piece, times]) => piece.repeat(times)).join(""),
);

const TAGS = new Set(
  "a blockquote br code del div em h1 h2 h3 h4 h5 h6 hr img li ol p pre section span strong sup table tbody td th thead tr ul".split(
    " ",
  ),
);
const ATTRIBUTES = new Set("align alt class href rel src start target title".split(" "));

function problems(html: string): string[] {
  const holder = document.createElement("template");
  holder.innerHTML = sanitizeMessage(html);
  return [...holder.content.querySelectorAll("*")].flatMap((element) => {
    const tag = element.tagName.toLowerCase();
    const bad = [...element.attributes].flatMap(({ name, value }) => {
      if (!ATTRIBUTES.has(name)) return [`${tag} ${name}`];
      if (name === "href" && !/^(?:https?:|mailto:)/i.test(value)) return [`${tag} ${name}=${value}`];
      if (name === "src" && !/^data:image\/(?:png|jpeg|gif|webp);base64,/i.test(value)) return [`${tag} src=${value}`];
      return [];
    });
    return TAGS.has(tag) ? bad : [tag, ...bad];
  });
}

/** Where a text may be cut: everywhere in a short one, at 200 places in a long one. The places do not change. */
function cuts(text: string): number[] {
  if (new TextEncoder().encode(text).length <= 2_048) return Array.from({ length: text.length + 1 }, (_, at) => at);
  let seed = 20_261_122;
  return Array.from({ length: 200 }, () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % (text.length + 1);
  }).sort((a, b) => a - b);
}

describe("a hostile reply", () => {
  test.each(CORPUS.map((text, number) => [number, text]))("%i is harmless, whole and at every cut", (_, text) => {
    const growing = new GrowingText();
    for (const at of [...cuts(text), text.length]) {
      const { settled, tail } = growing.update(text.slice(0, at), false);
      for (const block of [...settled, ...(tail ? [tail] : [])]) expect([at, problems(block.html)]).toEqual([at, []]);
    }
    for (const block of growing.update(text, true).settled) expect(problems(block.html)).toEqual([]);
  });
});

describe("a megabyte of one mark", () => {
  // Nothing is timed: what is not bounded does not end before the runner gives up, or overflows the stack.
  const marks = [
    "[",
    "![",
    "[a](",
    "*",
    "_",
    "a_",
    "**a ",
    "`",
    "<",
    "!",
    "$",
    "\\(",
    "> ",
    "- ",
    "1. ",
    "|",
    "~~a",
    "https://a.kr가",
  ];
  test.each(marks)("%s is shown as it is written", (mark) => {
    const text = mark.repeat(1_048_576 / mark.length);
    const growing = new GrowingText();
    growing.update(text.slice(0, -9), false);
    expect(growing.update(text, true).settled.length).toBeGreaterThan(0);
  });
});

describe("links", () => {
  const link = (textContent: string, href: string): boolean => misleads({ textContent, href });

  test("that say another place than they lead to are asked about", () => {
    expect(link("https://bank.example/login", "https://evil.example/")).toBe(true);
    expect(link("bank.example", "https://bank.example.evil.example/")).toBe(true);
    expect(link("user@bank.example", "https://evil.example/")).toBe(true);
  });

  test("that say what they are about are not", () => {
    expect(link("the documentation", "https://docs.example/")).toBe(false);
    expect(link("www.bank.example/a", "https://bank.example/a")).toBe(false);
    expect(link("pandas.py", "https://docs.example/")).toBe(false);
    expect(link("write to a@b.example", "mailto:a@b.example")).toBe(false);
  });
});

test("what is hidden in a command is shown as an escape", () => {
  const shown = (text: string): string =>
    visible(text)
      .map((piece) => piece.text)
      .join("");
  expect(shown("rm -rf a\u202eb\u200bc\u00ad")).toBe("rm -rf a\\u{202e}b\\u{200b}c\\u{00ad}");
  expect(shown("ls \u001b[2K\r한글 é 😀")).toBe("ls \\u{001b}[2K\\u{000d}한글 é 😀");
  expect(visible("\u{e0041}x").map((piece) => piece.escape)).toEqual([true, false]);
});
