// @vitest-environment jsdom
/** The list above the message field while options are still coming. */
import { expect, test, vi } from "vitest";

import { ClawdbotComposerMenu } from "../src/elements/composer/completion-menu.js";
import type { Command, Prompt } from "../src/protocol/types.js";
import type { Ui } from "../src/elements/base/ui-context.js";

customElements.define("clawdbot-composer-menu", ClawdbotComposerMenu);
Element.prototype.scrollIntoView = () => undefined; // jsdom has no view to scroll

const COMMANDS = ["help", "new", "stop"].map((name) => ({ name, description: "", args: [] })) as unknown as Command[];
const PROMPTS = ["short", "long"].map((name, at) => ({ id: `p${at}`, name, text: `${name}:` })) as unknown as Prompt[];

/** A menu at "/", whose prompts come when they are told to. */
async function opened(): Promise<{ menu: ClawdbotComposerMenu; come: () => Promise<void> }> {
  let answer: (value: unknown) => void = () => undefined;
  const request = vi.fn(() => new Promise((resolve) => (answer = resolve)));
  const controller = { can: () => true, client: { request }, state: { current: "main" } };
  const menu = new ClawdbotComposerMenu();
  menu.ui = { t: (key: string) => key, announce: () => undefined, controller } as unknown as Ui;
  menu.commands = COMMANDS;
  document.body.append(menu);
  menu.typed("/", 1);
  await menu.updateComplete;
  const come = async (): Promise<void> => {
    answer({ prompts: PROMPTS });
    await vi.waitFor(() => expect(menu.textContent).toContain("short"));
    await menu.updateComplete;
  };
  return { menu, come };
}

const row = (menu: ClawdbotComposerMenu, text: string): HTMLElement | undefined =>
  [...menu.querySelectorAll<HTMLElement>("li")].find((each) => each.textContent.includes(text));

test("a row under the pointer stays what it was when options come before it", async () => {
  const { menu, come } = await opened();
  const chosen = vi.fn();
  menu.onChoose = chosen;
  const pressed = row(menu, "prompts.manage");
  await come();
  expect(row(menu, "prompts.manage")).toBe(pressed);
  pressed?.click();
  expect(chosen.mock.calls).toEqual([[expect.objectContaining({ library: true })]]);
});

test("the option that was moved to stays chosen when more come, and not when the text changes", async () => {
  const { menu, come } = await opened();
  for (let n = 0; n < 3; n++) menu.key(new KeyboardEvent("keydown", { key: "ArrowDown" }));
  const current = (): string => menu.querySelector("[aria-selected=true]")?.textContent ?? "";
  await menu.updateComplete;
  expect(current()).toContain("prompts.manage");
  await come();
  expect(current()).toContain("prompts.manage");
  menu.typed("/s", 2);
  await menu.updateComplete;
  expect(current()).toContain("/stop");
});
