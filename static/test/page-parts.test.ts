// @vitest-environment jsdom
/** Parts of the page that a browser is not needed for: own messages, files that are dragged, copying, paper. */
import { beforeAll, describe, expect, test, vi } from "vitest";

import { MarkdownView } from "../src/elements/content/markdown-view.js";
import { cleaned, copySelection } from "../src/elements/content/copy-rich.js";
import { watchDrops } from "../src/elements/composer/drop-zone.js";
import { ClawdbotMessage } from "../src/elements/transcript/message.js";
import { hitsIn } from "../src/elements/transcript/find-text.js";
import type { Row } from "../src/elements/transcript/rows.js";
import type { Ui } from "../src/elements/base/ui-context.js";
import composerEn from "../src/i18n/composer.en.json";
import composerKo from "../src/i18n/composer.ko.json";

import corpus from "./hostile.json";

beforeAll(() => {
  customElements.define("clawdbot-markdown", MarkdownView);
  customElements.define("clawdbot-message", ClawdbotMessage);
});

const ui = { t: (key: string) => key, locale: "en", prefs: {}, codeActions: null } as unknown as Ui;

function own(text: string, key = "user:r1"): Row {
  const message = { id: "m1", seq: 1, role: "user" as const, content: text, timestamp: 1 };
  return { key, role: "user", at: 1, messages: [message] };
}

async function shown(row: Row): Promise<ClawdbotMessage> {
  const element = document.createElement("clawdbot-message");
  element.row = row;
  element.ui = ui;
  document.body.append(element);
  await element.updateComplete;
  return element;
}

describe("an own message", () => {
  const text = "Fix **this** at https://example.com에서:\nnow\n\n```python\nprint(1)\n```\n";

  test("is drawn as Markdown, and as it was written on request, also when its row is made anew", async () => {
    const row = own(text);
    const element = await shown(row);
    expect(element.querySelector(".bubble strong")?.textContent).toBe("this");
    expect(element.querySelector(".bubble .code code")?.textContent).toBe("print(1)");
    expect(element.querySelector(".bubble a")?.getAttribute("href")).toBe("https://example.com");
    element.source = true;
    await element.updateComplete;
    expect(element.querySelector(".bubble")?.textContent).toBe(text);
    element.remove();
    const again = await shown(row);
    expect(again.querySelector(".bubble")?.textContent).toBe(text);
    again.source = false;
    await again.updateComplete;
    expect(again.querySelector(".bubble strong")).not.toBeNull();
    again.remove();
  });

  test("that is on its way is drawn as it will be", async () => {
    const pending = { runId: "r1", text, createdAt: 1, status: "sending" as const, attachments: [] };
    const element = await shown({ key: "user:r9", role: "user", at: 1, messages: [], pending } as unknown as Row);
    expect(element.querySelector(".bubble .code code")?.textContent).toBe("print(1)");
    element.remove();
  });

  test("of a stranger's making does nothing", async () => {
    const texts = (corpus as (string | [string, number][])[]).filter((each) => typeof each === "string");
    const element = await shown(own(texts.join("\n\n"), "user:r2"));
    const bubble = element.querySelector(".bubble");
    expect(bubble?.querySelectorAll("script, iframe, object, embed, style, link, meta, form").length).toBe(0);
    for (const each of bubble?.querySelectorAll("*") ?? [])
      for (const { name, value } of each.attributes) {
        expect(name).not.toMatch(/^on|^style$/);
        if (name === "href") expect(value).toMatch(/^(?:https?:|mailto:)/i);
        if (name === "src") expect(value).toMatch(/^data:image\//);
      }
    element.remove();
  });

  test("is found by what one reads of it", () => {
    expect(hitsIn([own("see **the** `mean`")], "the mean")).toHaveLength(1);
  });
});

describe("files that are dragged", () => {
  const drag = (type: string, relatedTarget: EventTarget | null = null, given: object = {}): DragEvent => {
    const event = new MouseEvent(type, { bubbles: true, cancelable: true, relatedTarget }) as DragEvent;
    Object.defineProperty(event, "dataTransfer", { value: { types: ["Files"], items: [], dropEffect: "", ...given } });
    return event;
  };

  test.each([
    ["they leave", () => document.body.firstElementChild?.dispatchEvent(drag("dragleave"))],
    ["the drag ends elsewhere", () => window.dispatchEvent(new Event("dragend"))],
    ["the window goes", () => window.dispatchEvent(new Event("blur"))],
    ["the pointer moves again", () => window.dispatchEvent(new Event("pointermove"))],
    ["Esc is pressed", () => window.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }))],
  ])("are waited for until %s", (_, end) => {
    document.body.innerHTML = "<div><p></p></div>";
    const host = document.body.firstElementChild as HTMLElement;
    const inside = host.firstElementChild as HTMLElement;
    const stop = watchDrops(
      host,
      host,
      () => "Drop",
      () => undefined,
    );
    const overlay = (): Element | null => host.querySelector(".drop-overlay");
    inside.dispatchEvent(drag("dragenter"));
    inside.remove(); // what was entered may be drawn anew meanwhile: it never says that it was left
    host.dispatchEvent(drag("dragover"));
    expect(overlay()).not.toBeNull();
    host.dispatchEvent(drag("dragleave", host));
    expect(overlay()).not.toBeNull();
    window.dispatchEvent(new KeyboardEvent("keydown", { key: "Control" })); // to copy rather than to move
    expect(overlay()).not.toBeNull();
    end();
    expect(overlay()).toBeNull();
    stop();
  });

  function watched(): { host: HTMLElement; got: [File[], string[]][]; say: (words: string) => void; stop: () => void } {
    document.body.innerHTML = "<div></div>";
    const host = document.body.firstElementChild as HTMLElement;
    const got: [File[], string[]][] = [];
    let label = composerEn["attach.drop"];
    const stop = watchDrops(
      host,
      host,
      () => label,
      (files, folders) => got.push([files, folders]),
    );
    return { host, got, say: (words) => (label = words), stop };
  }

  test("are taken where they are dropped, folders are named, and the target goes", () => {
    const { host, got, stop } = watched();
    const file = new File(["a,b"], "표.csv");
    const entry = (isDirectory: boolean): object => ({
      kind: "file",
      getAsFile: () => file,
      webkitGetAsEntry: () => ({ isDirectory }),
    });
    host.dispatchEvent(drag("dragenter"));
    const drop = drag("drop", null, { items: [entry(true), entry(false), { kind: "string" }] });
    host.dispatchEvent(drop);
    expect([drop.defaultPrevented, got, host.children.length]).toEqual([true, [[[file], ["표.csv"]]], 0]);
    stop();
    host.dispatchEvent(drag("dragenter"));
    expect(host.children).toHaveLength(0);
  });

  test("are asked for in the language of the moment", () => {
    const { host, say, stop } = watched();
    host.dispatchEvent(drag("dragenter"));
    expect(host.textContent).toBe("Drop files to attach them");
    host.dispatchEvent(drag("dragleave"));
    say(composerKo["attach.drop"]);
    host.dispatchEvent(drag("dragenter"));
    expect(host.textContent).toBe("여기에 놓으면 첨부돼요");
    stop();
    expect(host.textContent).toBe("");
  });

  test("are not a text that is dragged: that stays the browser's", () => {
    const { host, got, stop } = watched();
    for (const type of ["dragenter", "dragover", "drop"]) {
      const event = drag(type, null, { types: ["text/plain", "text/html"] });
      host.dispatchEvent(event);
      expect([type, event.defaultPrevented, host.children.length]).toEqual([type, false, 0]);
    }
    expect(got).toEqual([]);
    stop();
  });
});

describe("a formula that is copied", () => {
  const FORMULA = '<span class="math" data-tex="\\frac{a}{b}"><math><mfrac><mi>a</mi><mi>b</mi></mfrac></math></span>';

  test("is TeX in text and MathML in HTML", () => {
    const piece = document.createRange().createContextualFragment(`<p>Take ${FORMULA} of it.</p>`);
    const { html, text } = cleaned(piece);
    expect(text).toBe("Take $\\frac{a}{b}$ of it.");
    expect(html).toContain("<mfrac>");
  });

  test("is whole, whatever of it was selected", () => {
    document.body.innerHTML = FORMULA;
    const selection = document.getSelection();
    selection?.selectAllChildren(document.querySelector("mfrac") as Element);
    const data = { setData: vi.fn() };
    const event = new Event("copy") as ClipboardEvent;
    Object.defineProperty(event, "clipboardData", { value: data });
    document.body.addEventListener("copy", copySelection as EventListener, { once: true });
    document.body.dispatchEvent(event);
    expect(data.setData).toHaveBeenCalledWith("text/plain", "$\\frac{a}{b}$");
  });
});
