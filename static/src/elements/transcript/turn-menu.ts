/**
 * What the buttons under a turn do, and `<clawdbot-turn-menu>` with the rest of it. A part of its own: there is no acting on a
 * turn before one is there.
 */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import * as turns from "../../state/turn-commands.js";
import { addTexts } from "../../i18n/index.js";
import type { TextKey } from "../../i18n/index.js";
import en from "../../i18n/turns.en.json";
import ko from "../../i18n/turns.ko.json";

import type { Ui } from "../base/ui-context.js";
import { copyRich, copyText } from "../base/clipboard.js";
import { cleaned } from "../content/copy-rich.js";
import { fullTime } from "../base/format.js";
import { icon } from "../base/more-icons.js";
import type { IconName } from "../base/more-icons.js";
import { LightElement } from "../base/light-element.js";
import type { TurnWish } from "./message.js";
import { quote } from "./quote.js";
import { rowText } from "./rows.js";
import type { Row } from "./rows.js";
import { sheet } from "../styles/turns.js";
import { mediaOf } from "./turn-parts.js";

addTexts({ en, ko });

/** How long a deleted message can be brought back, in milliseconds. */
const UNDO_MS = 10_000;

export class ClawdbotTurnMenu extends LightElement {
  static override sheet = sheet;
  static override properties = { ui: { attribute: false }, row: { state: true }, models: { state: true } };

  declare ui: Ui;
  declare private row: Row | null;
  /** The models to answer anew with; `null` while the list is not open. */
  declare private models: readonly { id: string; name: string }[] | null;
  private button: HTMLElement | null = null;

  constructor() {
    super();
    this.row = null;
    this.models = null;
  }

  /** Do what a button asked for. */
  async act({ action, row, button, to }: TurnWish): Promise<void> {
    const { ui } = this;
    const { client } = ui.controller;
    if (action === "more") return this.open(row, button);
    if (action === "copy") return copyTurn(ui, row, button);
    if (action === "edit") {
      this.edit(row);
      return;
    }
    const id = to ?? (action === "regenerate" ? question(row) : answer(row));
    if (id === undefined) return;
    const turn = this.turn(id);
    const works = { regenerate: turns.regenerate, continue: turns.goOn, choose: turns.choose };
    await ui.attempt(works[action](client, turn));
    if (action !== "choose") this.toComposer();
  }

  /** The button that was pressed goes with its row: its focus goes to the composer. */
  private toComposer(): void {
    (this.getRootNode() as ShadowRoot).getElementById("composer")?.focus();
  }

  private turn(messageId: string): turns.Turn {
    return { sessionKey: this.ui.controller.state.current, messageId };
  }

  // -- menu ---------------------------------------------------------------------------------------------------------
  private async open(row: Row, button: HTMLElement): Promise<void> {
    this.row = row;
    this.models = null;
    this.button = button;
    this.requestUpdate(); // the same turn may stand otherwise than the last time
    await this.updateComplete;
    const menu = this.menu();
    if (!menu) return;
    menu.showPopover();
    this.position();
    menu.querySelector<HTMLElement>("[role=menuitem]")?.focus();
  }

  private position(): void {
    const menu = this.menu();
    const place = this.button?.getBoundingClientRect();
    if (!menu || !place) return;
    const above = place.top - menu.offsetHeight - 4;
    const below = place.bottom + 4;
    const fits = below + menu.offsetHeight <= window.innerHeight;
    menu.style.top = `${Math.max(8, fits ? below : above)}px`;
    menu.style.left = `${Math.max(8, Math.min(place.left, window.innerWidth - menu.offsetWidth - 8))}px`;
  }

  private menu(): HTMLElement | null {
    return this.querySelector<HTMLElement>(".menu");
  }

  protected override render(): TemplateResult {
    const { row } = this;
    const { t, locale } = this.ui;
    return html`<div
      class="menu turn-menu"
      role="menu"
      popover="auto"
      aria-label=${t("turns.menu")}
      @keydown=${this.keydown}
    >
      ${row ? html`<p class="turn-when">${fullTime(row.at, locale)}</p>` : nothing}
      ${this.models === null ? this.items(row) : this.modelItems(this.models)}
    </div>`;
  }

  private items(row: Row | null): TemplateResult | typeof nothing {
    if (!row) return nothing;
    const { controller } = this.ui;
    const mine = row.role === "user";
    const id = mine ? row.messages[0]?.id : question(row);
    const able = id !== undefined && controller.client.state.status === "open";
    const item = (name: IconName, text: TextKey, run: () => unknown, when = true): TemplateResult | typeof nothing =>
      when
        ? html`<button
            type="button"
            role="menuitem"
            tabindex="-1"
            class=${text === "turns.delete" ? "danger" : ""}
            @click=${() => {
              this.close();
              void run();
            }}
          >
            ${icon(name)} ${this.ui.t(text)}
          </button>`
        : nothing;
    const turn = this.turn(id ?? "");
    return html`${item("copy", "turns.markdown", () => copyText(rowText(row)))}
    ${item("quote", "turns.quote", () => quote(this.ui, this, rowText(row)))}
    ${item("source", mine && this.message()?.source ? "turns.formatted" : "turns.source", () => this.turnOver(), mine)}
    ${item("pencil", "turns.edit", () => this.edit(row), mine && able)}
    ${item("retry", "turns.regenerate", () => this.ui.attempt(turns.regenerate(controller.client, turn)), !mine && able)}
    ${
      mine || !able
        ? nothing
        : html`<button
            type="button"
            role="menuitem"
            tabindex="-1"
            aria-haspopup="menu"
            @click=${() => void this.showModels()}
          >
            ${icon("swap")} ${this.ui.t("turns.otherModel")}
          </button>`
    }
    ${item("branch", "turns.fork", () => this.fork(this.turn(answer(row) ?? id ?? "")), able)}
    ${item("speaker", "turns.speak", () => speak(this.ui, rowText(row)), "speechSynthesis" in window)}
    ${item("trash", "turns.delete", () => this.delete(row), able)}`;
  }

  private modelItems(models: readonly { id: string; name: string }[]): TemplateResult {
    return html`${models.map(
      (model) =>
        html`<button
          type="button"
          role="menuitem"
          tabindex="-1"
          @click=${() => {
            const id = this.row && question(this.row);
            this.close();
            if (id) void this.ui.attempt(turns.regenerate(this.ui.controller.client, this.turn(id), model.id));
          }}
        >
          ${model.name}
        </button>`,
    )}`;
  }

  private async showModels(): Promise<void> {
    const asked = this.ui.controller.client.request("models.list", {});
    if (!(await this.ui.attempt(asked))) return;
    const { models } = (await asked) as { models: { id: string; name?: string; provider?: string }[] };
    this.models = models.map(({ id, name, provider }) => ({
      id: provider && !id.includes("/") ? `${provider}/${id}` : id,
      name: name ?? id,
    }));
    await this.updateComplete;
    this.position();
    this.querySelector<HTMLElement>("[role=menuitem]")?.focus();
  }

  private keydown(event: KeyboardEvent): void {
    const items = [...this.querySelectorAll<HTMLElement>("[role=menuitem]")];
    const at = items.indexOf(event.target as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Tab" || event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    } else if (to !== undefined) {
      event.preventDefault();
      items.at(to % items.length)?.focus();
    }
  }

  private close(): void {
    this.menu()?.hidePopover();
    this.button?.focus();
  }

  private message(): HTMLElementTagNameMap["clawdbot-message"] | null {
    return this.button?.closest("clawdbot-message") ?? null;
  }

  // -- acts ---------------------------------------------------------------------------------------------------------
  /** Hand the message to the composer, which sends the changed one. */
  private edit(row: Row): void {
    const message = row.messages[0];
    if (!message) return;
    const detail = { messageId: message.id, text: rowText(row), attachments: mediaOf(message) };
    this.dispatchEvent(new CustomEvent("clawdbot-edit", { detail, bubbles: true, composed: true }));
  }

  /** Show an own message as it was written, or what its Markdown means. */
  private turnOver(): void {
    const message = this.message();
    if (message) message.source = !message.source;
  }

  /** Take a turn out, with everything it consists of. */
  private async delete(row: Row): Promise<void> {
    const { ui } = this;
    const { client } = ui.controller;
    const all = row.messages.map((message) => this.turn(message.id));
    const takeOut = async (): Promise<number> => {
      let undoUntil = Date.now() + UNDO_MS;
      for (const turn of [...all].reverse()) ({ undoUntil } = await turns.remove(client, turn));
      return undoUntil;
    };
    const bringBack = async (): Promise<void> => {
      for (const turn of all) await turns.restore(client, turn);
    };
    const gone = takeOut();
    if (!(await ui.attempt(gone))) return;
    this.toComposer();
    ui.toast({
      text: ui.t("turns.deleted"),
      lasts: Math.min(UNDO_MS, Math.max(1_000, (await gone) - Date.now())),
      action: { label: ui.t("action.undo"), run: () => void ui.attempt(bringBack()) },
    });
  }

  private async fork(turn: turns.Turn): Promise<void> {
    const { ui } = this;
    const forked = turns.fork(ui.controller.client, turn);
    if (!(await ui.attempt(forked))) return;
    ui.controller.select(await forked);
    ui.toast({ text: ui.t("turns.forked") });
  }
}

/** What to answer anew: the whole turn, from its first message on. */
function question(row: Row): string | undefined {
  return row.messages.find((message) => message.role === "assistant")?.id;
}

/** The end of a turn: its newest stored message. */
function answer(row: Row): string | undefined {
  return row.messages.findLast((message) => message.role === "assistant")?.id;
}

/** Copy a turn as one sees it and as Markdown. */
async function copyTurn(ui: Ui, row: Row, button: HTMLElement): Promise<void> {
  const replies = button.closest("article")?.querySelectorAll(".reply") ?? [];
  const piece = document.createDocumentFragment();
  for (const reply of replies) piece.append(...[...reply.childNodes].map((node) => node.cloneNode(true)));
  const markdown = rowText(row);
  const done = replies.length > 0 ? await copyRich(cleaned(piece).html, markdown) : await copyText(markdown);
  if (!done) return;
  const label = button.getAttribute("aria-label") ?? "";
  button.dataset.done = "";
  button.setAttribute("aria-label", ui.t("action.copied"));
  ui.announce(ui.t("action.copied"));
  setTimeout(() => {
    delete button.dataset.done;
    button.setAttribute("aria-label", label);
  }, 1_500);
}

/** Read aloud; the same again stops it. */
function speak(ui: Ui, markdown: string): void {
  const { speechSynthesis } = window;
  if (speechSynthesis.speaking) {
    speechSynthesis.cancel();
    return;
  }
  const words = markdown
    .replace(/```[\s\S]*?(?:```|$)/g, ` ${ui.t("turns.codeSkipped")} `)
    .replace(/!?\[([^[\]]*)\]\([^()]*\)/g, "$1")
    .replace(/[*_`#>|~]+/g, " ");
  const utterance = new SpeechSynthesisUtterance(words);
  utterance.lang = /[가-힣]/.test(words) ? "ko-KR" : ui.locale;
  speechSynthesis.speak(utterance);
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-turn-menu": ClawdbotTurnMenu;
  }
}
