// @vitest-environment jsdom
/** Each window while the gateway is away or not there yet: the page, Lab's panel, the output of a cell, a tab of the Control UI. */
import { html } from "lit";
import type { TemplateResult } from "lit";
import { afterEach, beforeAll, expect, test, vi } from "vitest";

import type { Connection } from "../src/client/transport.js";
import type { ClawdbotChat } from "../src/elements/chat/chat.js";
import { ControlTab } from "../src/elements/control/base/tab.js";
import type { Control } from "../src/elements/control/base/tab.js";
import { define } from "../src/entry/define.js";
import { renderWidget } from "../src/entry/widget.js";
import controlEn from "../src/i18n/control.en.json";
import controlKo from "../src/i18n/control.ko.json";
import { addTexts, loadTexts, translator } from "../src/i18n/index.js";
import { FakeGateway, HELLO } from "./support/fake-gateway.js";

import away from "./gateway-away.json";

class NoSizes {
  observe(): void {
    // jsdom lays nothing out.
  }
  unobserve(): void {
    // Likewise.
  }
  disconnect(): void {
    // Likewise.
  }
}

beforeAll(async () => {
  vi.stubGlobal("ResizeObserver", NoSizes);
  vi.stubGlobal("IntersectionObserver", NoSizes);
  vi.stubGlobal("matchMedia", () => ({ matches: false }));
  define();
  addTexts({ en: controlEn, ko: controlKo });
  await Promise.all([loadTexts("en"), loadTexts("ko")]);
});

afterEach(() => {
  document.body.replaceChildren();
  localStorage.clear();
  sessionStorage.clear();
});

/** The kernel's side of a cell's chat: frames go on to a gateway. */
class Kernel {
  private readonly values = new Map<string, unknown>([
    ["session", "cell"],
    ["height", "400px"],
  ]);
  private readonly listeners = new Set<(message: object) => void>();
  private readonly lines = new Map<number, Connection>();

  constructor(private readonly gateway: FakeGateway) {}

  get = (name: string): unknown => this.values.get(name);
  set = (name: string, value: unknown): void => void this.values.set(name, value);
  save_changes = (): void => undefined;
  on = (name: string, listener: (message: object) => void): void => {
    if (name === "msg:custom") this.listeners.add(listener);
  };
  off = (_: string, listener: (message: object) => void): void => void this.listeners.delete(listener);

  send = (content: object): void => {
    const { kind, id = 0, text = "" } = content as { kind: string; id?: number; text?: string };
    if (kind === "open")
      this.lines.set(
        id,
        this.gateway.connect({
          open: () => this.tell({ kind: "opened", id }),
          frame: (frame) => this.tell({ kind: "frame", id, text: frame }),
          closed: (code, reason) => this.tell({ kind: "closed", id, code, reason }),
        }),
      );
    else if (kind === "frame") this.lines.get(id)?.send(text);
    else this.lines.get(id)?.close();
  };

  tell(message: object): void {
    for (const listener of [...this.listeners]) listener(message);
  }
}

type Window = "page" | "panel" | "cell";
const FILE = { fileName: "cell-3.py", mimeType: "text/x-python", content: "eCA9IDE=" };

/** A chat as that window makes it, with something of its notebook that goes along. */
function open(window: Window, locale: string, gateway: FakeGateway): ClawdbotChat {
  const element = document.createElement("div");
  document.body.append(element);
  if (window === "cell") {
    const kernel = new Kernel(gateway);
    renderWidget({ model: kernel, el: element, locale });
    kernel.tell({ kind: "context", files: [{ label: "Cell 3", attachments: [FILE] }] });
    return element.firstElementChild?.firstElementChild as ClawdbotChat;
  }
  const chat = document.createElement("clawdbot-chat");
  Object.assign(chat, { mode: window, locale, transport: gateway });
  if (window === "panel")
    chat.contexts = [{ id: "cell", label: "Cell 3", on: true, read: () => Promise.resolve([FILE]) }];
  element.append(chat);
  return chat;
}

const WINDOWS: Window[] = ["page", "panel", "cell"];
const LOCALES = ["en", "ko"] as const;

test.each(WINDOWS.flatMap((window) => LOCALES.map((locale) => [window, locale] as const)))(
  "the %s (%s) says that the gateway is away, what to run, and tries again by a button",
  async (window, locale) => {
    const gateway = new FakeGateway();
    gateway.up = false;
    const chat = open(window, locale, gateway);
    const banner = await vi.waitFor(() => {
      const found = chat.shadowRoot?.querySelector(".banner[role=status]");
      expect(found?.textContent).toContain(away.words[locale]);
      return found as HTMLElement;
    });
    expect(banner.textContent).toContain("clawdbot web");
    const tried = gateway.lines.length;
    banner.querySelector("button")?.click();
    expect(gateway.lines.length).toBe(tried + 1);
  },
);

test.each(WINDOWS)(
  "a message that is sent in the %s before its first connection goes with it, whole",
  async (window) => {
    const gateway = new FakeGateway()
      .on("connect", () => undefined)
      .on("chat.history", ({ sessionKey }) => ({ sessionKey, sessionId: "s", hasMore: false, messages: [], epoch: 1 }))
      .on("sessions.list", () => ({ sessions: [] }))
      .on("commands.list", () => ({ commands: [] }))
      .on("chat.send", ({ idempotencyKey }) => ({ runId: idempotencyKey, status: "started" }));
    const chat = open(window, "ko", gateway);
    const field = await vi.waitFor(() => {
      const found = chat.shadowRoot?.querySelector("#composer");
      expect(found).toBeTruthy();
      return found as HTMLTextAreaElement;
    });
    field.value = "바로 보낸 질문";
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    chat.shadowRoot?.querySelector("clawdbot-composer")?.submit();
    await vi.waitFor(() => {
      expect(chat.shadowRoot?.querySelector(".notice[role=status]")?.textContent).toContain("연결하는 중…");
      expect(gateway.line.asked("connect")).toHaveLength(1);
    });
    expect([field.value, gateway.line.asked("chat.send").length]).toEqual(["바로 보낸 질문", 0]);
    gateway.line.respond(gateway.line.asked("connect")[0]?.id ?? "", HELLO);
    await vi.waitFor(() => expect(gateway.line.asked("chat.send")).toHaveLength(1), { timeout: 30_000 });
    const [sent] = gateway.line.asked("chat.send");
    expect(sent?.params.message).toBe("바로 보낸 질문");
    if (window !== "page") expect(sent?.params.attachments).toMatchObject([{ fileName: "cell-3.py" }]);
    await vi.waitFor(() => expect(field.value).toBe(""));
    expect(gateway.lines.flatMap((line) => line.asked("chat.send"))).toHaveLength(1);
  },
);

class Tab extends ControlTab {
  protected load(): Promise<void> {
    return Promise.resolve();
  }
  protected content(): TemplateResult {
    return html`<p class="read">what was read</p>`;
  }
}

test.each(LOCALES)("a tab of the Control UI (%s) says so too, and keeps what it read", async (locale) => {
  if (!customElements.get("test-tab")) customElements.define("test-tab", Tab);
  const wake = vi.fn();
  const controller = { watchers: new Set(), client: { wake } };
  const given = (online: boolean): Control =>
    ({
      ui: { t: translator(locale), locale, controller },
      online,
      address: { query: new URLSearchParams() },
    }) as unknown as Control;
  const tab = new Tab();
  Object.assign(tab, { control: given(false), active: true });
  document.body.append(tab);
  await tab.updateComplete;
  const shown = (): string => tab.querySelector(".control-away[role=status]")?.textContent.trim() ?? "";
  const whole = (): void => {
    expect(shown().startsWith(away.words[locale])).toBe(true);
    expect(shown()).toContain("clawdbot web");
  };
  whole();
  tab.control = given(true);
  await vi.waitFor(() => expect(tab.querySelector(".read")).not.toBeNull());
  expect(shown()).toBe("");
  tab.control = given(false);
  await tab.updateComplete;
  whole();
  expect(tab.querySelector(".read")).not.toBeNull();
  tab.querySelector<HTMLButtonElement>(".control-away button")?.click();
  expect(wake).toHaveBeenCalledOnce();
});
