import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { EnterRule } from "../src/input/ime.js";
import type { KeyFacts } from "../src/input/ime.js";

const PLAIN: KeyFacts = {
  key: "Enter",
  code: "Enter",
  keyCode: 13,
  isComposing: false,
  shiftKey: false,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
};
/** Enter while a syllable is composed, as Chromium reports it. */
const COMPOSING: KeyFacts = { ...PLAIN, keyCode: 229, isComposing: true };
/** The same on Windows. */
const PROCESS: KeyFacts = { ...COMPOSING, key: "Process" };
/** Safari: after the composition has ended, once more with 229. */
const SAFARI: KeyFacts = { ...PLAIN, keyCode: 229 };

let send: ReturnType<typeof vi.fn<() => void>>;
let rule: EnterRule;

beforeEach(() => {
  vi.useFakeTimers();
  send = vi.fn();
  rule = new EnterRule(send, () => true);
});
afterEach(() => {
  vi.useRealTimers();
});

function compose(text: string): void {
  for (let end = 1; end <= text.length; end++) rule.compositionUpdate(text.slice(0, end));
}

describe("without an input method", () => {
  test("Enter sends, Shift+Enter and Alt+Enter do not", () => {
    expect(rule.keydown(PLAIN, "enter")).toBe(true);
    expect(rule.keydown({ ...PLAIN, shiftKey: true }, "enter")).toBe(false);
    expect(rule.keydown({ ...PLAIN, altKey: true }, "enter")).toBe(false);
    expect(send).toHaveBeenCalledOnce();
  });

  test("with Ctrl+Enter chosen, Enter alone is a line break", () => {
    expect(rule.keydown(PLAIN, "ctrl-enter")).toBe(false);
    expect(rule.keydown({ ...PLAIN, ctrlKey: true }, "ctrl-enter")).toBe(true);
    expect(rule.keydown({ ...PLAIN, metaKey: true }, "ctrl-enter")).toBe(true);
    expect(send).toHaveBeenCalledTimes(2);
  });
});

describe("Korean", () => {
  test.each([
    ["Chromium", COMPOSING],
    ["Windows", PROCESS],
  ])("%s: one Enter, two keydowns, one message", (_name, first) => {
    compose("한");
    expect(rule.keydown(first, "enter")).toBe(false);
    expect(send).not.toHaveBeenCalled();
    rule.compositionEnd();
    rule.keydown(PLAIN, "enter");
    vi.runAllTimers();
    expect(send).toHaveBeenCalledOnce();
  });

  test("an engine that gives no second keydown: sent once the syllable is committed", () => {
    compose("한");
    rule.keydown(COMPOSING, "enter");
    expect(send).not.toHaveBeenCalled();
    rule.compositionEnd();
    expect(send).not.toHaveBeenCalled();
    vi.advanceTimersByTime(30);
    expect(send).toHaveBeenCalledOnce();
  });

  test("with the setting off it takes the second Enter", () => {
    rule = new EnterRule(send, () => false);
    compose("한");
    rule.keydown(COMPOSING, "enter");
    rule.compositionEnd();
    vi.runAllTimers();
    expect(send).not.toHaveBeenCalled();
    rule.keydown(PLAIN, "enter");
    expect(send).toHaveBeenCalledOnce();
  });

  test("Safari's keydown after the composition does not send", () => {
    compose("한");
    rule.compositionEnd();
    expect(rule.keydown(SAFARI, "enter")).toBe(false);
    vi.runAllTimers();
    expect(send).not.toHaveBeenCalled();
  });

  test("a syllable that ends without Enter sends nothing", () => {
    compose("한");
    rule.keydown({ ...COMPOSING, key: "Process", code: "KeyA" }, "enter");
    rule.compositionEnd();
    vi.runAllTimers();
    expect(send).not.toHaveBeenCalled();
  });

  test("Enter, then more of the word: the wish is forgotten", () => {
    compose("한");
    rule.keydown(COMPOSING, "enter");
    rule.keydown({ ...COMPOSING, key: "Process", code: "KeyR" }, "enter");
    rule.compositionEnd();
    vi.runAllTimers();
    expect(send).not.toHaveBeenCalled();
  });

  test("losing the focus in mid-composition leaves nothing behind", () => {
    compose("한");
    rule.keydown(COMPOSING, "enter");
    rule.compositionEnd();
    rule.cancel();
    vi.runAllTimers();
    expect(send).not.toHaveBeenCalled();
  });
});

describe("Japanese and Chinese", () => {
  test.each(["日本", "かな", "中文", "nihao"])("%s: Enter chooses a candidate and never sends", (text) => {
    compose(text);
    rule.keydown(COMPOSING, "enter");
    rule.compositionEnd();
    vi.runAllTimers();
    expect(send).not.toHaveBeenCalled();
  });
});
