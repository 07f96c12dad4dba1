/**
 * `<clawdbot-composer-menu>`: the list above the message field, opened by `/` (commands, own prompts) and `@` (files of
 * the server). The field keeps the focus; the list is told of its text and asked about its keys.
 */
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { argOf, choicesFor, commandsFor, promptsFor, wantedAt } from "../../input/completion.js";
import type { Folder, Wanted } from "../../input/completion.js";
import type { Command, FileEntry, Prompt, ResultOf } from "../../protocol/types.js";

import type { Ui } from "../base/ui-context.js";
import { lazyIcon } from "./icons.js";
import type { LazyIcon } from "./icons.js";
import { LightElement } from "../base/light-element.js";
import { composerParts } from "../styles/lazy-composer.js";

/** What choosing does to the field: `insert` for what stands between the two places. */
export interface Choice {
  from: number;
  to: number;
  insert: string;
  file?: FileEntry;
  /** Open the prompt library. */
  library?: true;
}

interface Option {
  /** Tells apart what looks the same. */
  id?: string;
  label: string;
  detail?: string;
  description?: string;
  icon?: LazyIcon;
  choice: Choice;
  folder?: Folder;
}

const MAX_SHOWN = 50;
/** A question to the gateway waits until nothing was typed for so long, in milliseconds. */
const PAUSE_MS = 90;

export class ClawdbotComposerMenu extends LightElement {
  static override sheet = composerParts;
  static override properties = {
    ui: { attribute: false },
    commands: { attribute: false },
    onChoose: { attribute: false },
    onState: { attribute: false },
    options: { state: true },
    active: { state: true },
  };

  declare ui: Ui;
  declare commands: readonly Command[];
  declare onChoose: (choice: Choice) => void;
  /** The `id` of the highlighted option, `null` when the list is closed. */
  declare onState: (state: { open: boolean; active: string | null }) => void;
  declare private options: readonly Option[];
  /** Index of the highlighted option; -1: none until an arrow key. */
  declare private active: number;

  private text = "";
  private caret = 0;
  /** The text for which Esc closed the list. */
  private dismissed: string | null = null;
  private folder: Folder | undefined;
  private prompts: readonly Prompt[] = [];
  /** The question for them that counts; none before the first one, and after they were changed. */
  private listing: Promise<ResultOf<"prompts.list">> | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Only the answer to the newest question counts. */
  private asked = 0;

  constructor() {
    super();
    this.commands = [];
    this.options = [];
    this.active = 0;
    this.onChoose = () => undefined;
    this.onState = () => undefined;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.timer);
  }

  /** The field's text or cursor changed. */
  typed(text: string, caret: number): void {
    if (text === this.text && caret === this.caret) return;
    this.text = text;
    this.caret = caret;
    if (text !== this.dismissed) this.dismissed = null;
    this.active = 0;
    if (this.hasUpdated) this.lookUp();
  }

  close(): void {
    this.dismissed = this.text;
    this.show([]);
  }

  /** The prompts were changed. */
  forgetPrompts(): void {
    this.listing = null;
    this.lookUp();
  }

  /** True if the key was for the list. Never asked while a syllable is being composed. */
  key(event: KeyboardEvent): boolean {
    const count = this.options.length;
    if (count === 0 || event.ctrlKey || event.metaKey || event.altKey) return false;
    const chosen = this.options[this.active];
    switch (event.key) {
      case "ArrowDown":
        this.active = (this.active + 1) % count;
        return true;
      case "ArrowUp":
        this.active = (Math.max(this.active, 0) + count - 1) % count;
        return true;
      case "Escape":
        this.close();
        return true;
      case "Tab":
        if (event.shiftKey) return false;
        this.choose(chosen ?? this.options[0]);
        return true;
      case "Enter":
        if (event.shiftKey || !chosen || this.isThere(chosen)) return false;
        this.choose(chosen);
        return true;
      default:
        return false;
    }
  }

  /** Does the option stand in the field already? Then Enter means the field. */
  private isThere({ choice }: Option): boolean {
    return choice.insert.trim() === this.text.slice(choice.from, choice.to) && !choice.file && !choice.library;
  }

  private choose(option: Option | undefined): void {
    if (!option) return;
    this.folder = option.folder;
    this.dismissed = null;
    this.show([]);
    this.onChoose(option.choice);
  }

  // -- what there is to choose --------------------------------------------------------------------------------------
  private lookUp(): void {
    clearTimeout(this.timer);
    const asked = ++this.asked;
    const wanted = this.dismissed === null ? wantedAt(this.text, this.caret, this.commands, this.folder) : null;
    if (wanted?.type === "command") this.show(this.forCommand(wanted.name));
    else if (wanted?.type === "argument") this.forArgument(wanted, asked);
    else if (wanted?.type === "file" && this.ui.controller.can("files.list")) this.forFile(wanted, asked);
    else this.show([]);
  }

  /** Options that come later leave the cursor on the one that it was moved to. */
  private show(options: readonly Option[], active = 0): void {
    const chosen = this.active > 0 ? this.options[this.active]?.label : undefined;
    this.options = options.slice(0, MAX_SHOWN);
    const still = this.options.findIndex(({ label }) => label === chosen);
    this.active = still < 0 ? active : still;
  }

  private forCommand(name: string): Option[] {
    const { t } = this.ui;
    const to = this.caret + (/^\S*/.exec(this.text.slice(this.caret))?.[0].length ?? 0);
    const commands = commandsFor(this.commands, name).map((command): Option => {
      const arg = argOf(command);
      const detail = arg ? (arg.required ? `<${arg.name}>` : `[${arg.name}]`) : "";
      const choice = { from: 0, to, insert: arg ? `/${command.name} ` : `/${command.name}` };
      return { label: `/${command.name}`, detail, description: command.description ?? "", choice };
    });
    if (!this.ui.controller.can("prompts.list")) return commands;
    if (!this.listing) void this.loadPrompts();
    const prompts = promptsFor(this.prompts, name).map((prompt): Option => {
      const choice = { from: 0, to, insert: prompt.text };
      return { id: prompt.id, label: prompt.name, description: prompt.text.slice(0, 200), icon: "prompt", choice };
    });
    const library: Option = {
      label: t("prompts.manage"),
      icon: "edit",
      choice: { from: 0, to, insert: "", library: true },
    };
    const found = [...commands, ...prompts];
    return found.length > 0 && name !== "" && prompts.length === 0
      ? found
      : [...found, ...(found.length > 0 ? [library] : [])];
  }

  private async loadPrompts(): Promise<void> {
    const listing = this.ui.controller.client.request("prompts.list", {});
    this.listing = listing;
    try {
      const { prompts } = await listing;
      if (listing !== this.listing) return; // they were changed meanwhile
      this.prompts = prompts;
      if (prompts.length > 0) this.lookUp();
    } catch {
      if (listing === this.listing) this.listing = null; // asked again with the next key
    }
  }

  private forArgument({ command, text }: Extract<Wanted, { type: "argument" }>, asked: number): void {
    const arg = argOf(command);
    const from = this.caret - text.length;
    const to = this.caret;
    const active = text === "" && !arg?.required ? -1 : 0;
    const option = (value: string, description = ""): Option => ({
      label: value,
      description,
      choice: { from, to, insert: value },
    });
    this.show(
      choicesFor(arg?.choices ?? [], text).map((value) => option(value)),
      active,
    );
    if (!arg?.dynamic || !this.ui.controller.can("commands.complete")) return;
    void this.later(asked, async () => {
      const { client, state } = this.ui.controller;
      const params = { command: command.name, text, sessionKey: state.current };
      const { options } = await client.request("commands.complete", params);
      const others = options.filter(({ value }) => value !== text);
      return { options: others.map(({ value, description }) => option(value, description)), active };
    });
  }

  private forFile({ from, path, query }: Extract<Wanted, { type: "file" }>, asked: number): void {
    const to = this.caret;
    void this.later(asked, async () => {
      const params = { path, limit: MAX_SHOWN, ...(query === "" ? {} : { query }) };
      const { entries } = await this.ui.controller.client.request("files.list", params);
      const options = entries.map((entry): Option => {
        const inside = entry.path.includes("/") ? entry.path.slice(0, entry.path.lastIndexOf("/")) : "";
        const where = inside === path ? {} : { description: inside };
        if (entry.type !== "directory")
          return { label: entry.name, ...where, icon: entry.type, choice: { from, to, insert: "", file: entry } };
        const choice = { from, to, insert: `@${entry.path}/` };
        return { label: `${entry.name}/`, ...where, icon: "folder", choice, folder: { from, path: entry.path } };
      });
      return { options, active: 0 };
    });
  }

  /** Ask the gateway once the typing pauses; an answer that comes too late is dropped, a refusal is no list. */
  private async later(asked: number, ask: () => Promise<{ options: Option[]; active: number }>): Promise<void> {
    await new Promise<void>((resolve) => (this.timer = setTimeout(resolve, PAUSE_MS)));
    if (asked !== this.asked) return;
    try {
      const { options, active } = await ask();
      if (asked === this.asked) this.show(options, active);
    } catch {
      if (asked === this.asked) this.show([]);
    }
  }

  // -- drawing ------------------------------------------------------------------------------------------------------
  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("commands")) this.lookUp(); // at the latest now, also at what was written before this was here
  }

  protected override updated(changed: PropertyValues): void {
    this.fit();
    this.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
    if (!changed.has("options") && !changed.has("active")) return;
    const open = this.options.length > 0;
    // A field of several lines cannot be a combobox, which would tell that it is expanded: this says it instead.
    const was = (changed.get("options") as readonly Option[] | undefined)?.length ?? 0;
    if (open && changed.has("options") && was === 0)
      this.ui.announce(this.ui.t("commands.open", { count: this.options.length }));
    this.onState({ open, active: open && this.active >= 0 ? `option-${this.active}` : null });
  }

  /** The list ends where the chat does: above a tall message there is less room. */
  private fit(): void {
    const list = this.querySelector("ul");
    const root = this.getRootNode();
    if (!list || !(root instanceof ShadowRoot)) return;
    const room = list.getBoundingClientRect().bottom - root.host.getBoundingClientRect().top;
    list.style.maxHeight = `min(24rem, 50dvh, ${Math.max(120, room - 8)}px)`;
  }

  protected override render(): TemplateResult | typeof nothing {
    const { t } = this.ui;
    if (this.options.length === 0) return nothing;
    return html`<ul class="commands" id="commands" role="listbox" tabindex="0" aria-label=${t("commands.label")}>
      ${repeat(
        this.options, // keyed: what is under the pointer stays itself, or goes, when more options come
        ({ id, label, description, choice }) => `${id ?? ""}\n${label}\n${description ?? ""}\n${choice.insert}`,
        (option, index) =>
          html`<li
            id=${`option-${index}`}
            role="option"
            aria-selected=${index === this.active ? "true" : "false"}
            @mousedown=${(event: Event) => event.preventDefault() /* the cursor stays in the field */}
            @click=${() => this.choose(option)}
          >
            ${option.icon ? lazyIcon(option.icon) : nothing}
            ${option.icon ? html`<span class="name">${option.label}</span>` : html`<code>${option.label}</code>`}
            ${option.detail ? html`<span class="args">${option.detail}</span>` : nothing}
            ${option.description ? html`<span class="what">${option.description}</span>` : nothing}
          </li>`,
      )}
    </ul>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-composer-menu": ClawdbotComposerMenu;
  }
}
