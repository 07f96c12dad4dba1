/** The composer's row of buttons, and the notices above it. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { TextKey } from "../../i18n/index.js";

import type { Ui } from "../base/ui-context.js";
import { icon } from "../base/icons.js";
import type { IconName } from "../base/icons.js";

/** How a message is sent. */
export function hint({ t, prefs }: Ui, online: boolean, enterSends: boolean): string {
  if (!online) return t("composer.hintOffline");
  if (!enterSends) return prefs.sendKey === "enter" ? t("composer.hintTouch") : t("composer.hintCtrl");
  return t("composer.hint");
}

/** Make the field as high as its text. */
export function fit(field: HTMLTextAreaElement): void {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

export interface Dialogs {
  insert: (text: string) => void;
  promptsChanged: () => void;
  write: (text: string) => void;
  submit: () => void;
  closed: (caret?: number) => void;
}

/** The prompt library and the editor for long drafts. */
export function dialogs(ui: Ui, online: boolean, acts: Dialogs): TemplateResult {
  return html`<clawdbot-prompts
      .ui=${ui}
      .onUse=${acts.insert}
      .onChanged=${acts.promptsChanged}
      .onClosed=${acts.closed}
    ></clawdbot-prompts>
    <clawdbot-long-draft
      .ui=${ui}
      ?online=${online}
      .onWrite=${acts.write}
      .onSubmit=${acts.submit}
      .onClosed=${acts.closed}
    ></clawdbot-long-draft>`;
}

export interface ToolState {
  text: string;
  blank: boolean;
  /** A reply is being written. */
  busy: boolean;
  online: boolean;
  /** The message waits for its files, or an edit is on its way. */
  waits: boolean;
  editing: boolean;
  listening: boolean;
  stop(): void;
  attach(files: File[]): void;
  mention(): void;
  command(): void;
  expand(): void;
  dictate(): void;
}

/** From here on a message deserves more room, in characters. */
const LONG = 240;
/** Speech is recognised in secure contexts only. */
const HEARS =
  typeof window !== "undefined" &&
  window.isSecureContext &&
  ("SpeechRecognition" in window || "webkitSpeechRecognition" in window);

export function tools(ui: Ui, state: ToolState): TemplateResult {
  const { t, controller } = ui;
  const tool = (name: IconName, key: TextKey, run: () => void, pressed?: boolean): TemplateResult =>
    html`<button
      type="button"
      class="icon-button"
      aria-label=${t(key)}
      title=${t(key)}
      aria-pressed=${pressed === undefined ? nothing : String(pressed)}
      @click=${run}
    >
      ${icon(name)}
    </button>`;
  const long = state.text.length > LONG || state.text.split("\n").length > 4;
  return html`<div class="composer-buttons">
    ${
      controller.off("uploads")
        ? nothing
        : html`<label class="icon-button attach" title=${t("composer.attach")}>
            ${icon("attach")}<span class="sr">${t("composer.attach")}</span>
            <input
              type="file"
              multiple
              class="sr"
              @change=${(event: Event) => {
                const input = event.target as HTMLInputElement;
                state.attach(Array.from(input.files ?? []));
                input.value = ""; // the same file may be chosen again
              }}
            />
          </label>`
    }
    ${controller.can("files.list") ? tool("at", "composer.files", () => state.mention()) : nothing}
    ${tool("slash", "composer.commands", () => state.command())}
    ${long ? tool("expand", "composer.expand", () => state.expand()) : nothing}
    <span class="space"></span>
    ${HEARS ? tool("mic", state.listening ? "composer.voiceStop" : "composer.voice", () => state.dictate(), state.listening) : nothing}
    ${
      state.busy
        ? html`<button
            type="button"
            class="round stop"
            aria-label=${t("action.stop")}
            title=${t("action.stopKey")}
            @click=${() => state.stop()}
            ?disabled=${!state.online}
          >
            ${icon("stop")}
          </button>`
        : nothing
    }
    ${state.busy && state.blank ? nothing : sendButton(ui, state)}
  </div>`;
}

function sendButton({ t }: Ui, { busy, blank, online, waits, editing }: ToolState): TemplateResult {
  const label = t(editing ? "composer.saveEdit" : busy ? "action.queue" : "action.send");
  return html`<button
    type="submit"
    class="round send"
    aria-label=${label}
    title=${label}
    ?disabled=${blank || !online}
    ?data-waits=${waits}
  >
    ${icon(editing ? "check" : "up")}
  </button>`;
}

export interface Notices {
  editing: boolean;
  problem: string;
  /** The text that says for what the message waits, if it does. */
  holding: TextKey | false;
  /** The words being spoken; `null` while dictation is off. */
  spoken: string | null;
  cancelEdit(): void;
}

/** What the person should know about this message before it goes. */
export function notices({ t }: Ui, { editing, problem, holding, spoken, cancelEdit }: Notices): TemplateResult {
  return html`
    ${
      editing
        ? html`<p class="notice">
            ${icon("pencil")} <span>${t("composer.editing")}</span>
            <button type="button" class="link" @click=${cancelEdit}>${t("action.cancel")}</button>
          </p>`
        : nothing
    }
    ${problem === "" ? nothing : html`<p class="notice problem" role="alert">${icon("warn")} <span>${problem}</span></p>`}
    ${holding ? html`<p class="notice" role="status">${icon("attach")} <span>${t(holding)}</span></p>` : nothing}
    ${
      spoken === null
        ? nothing
        : html`<p class="notice" data-listening>
            ${icon("mic")} <span>${spoken === "" ? t("voice.listening") : spoken}</span>
          </p>`
    }
  `;
}
