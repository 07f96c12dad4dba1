/** `<clawdbot-control-sessions>`: all sessions as a table, to find, change, export and delete, one or many. */
import { html, nothing, unsafeCSS } from "lit";
import type { TemplateResult } from "lit";

import { RequestRefused } from "../../client/gateway-client.js";
import { addTexts } from "../../i18n/index.js";
import type { TextKey } from "../../i18n/index.js";
import en from "../../i18n/control-sessions.en.json";
import ko from "../../i18n/control-sessions.ko.json";
import type { ExportFormat, ResultOf, SessionRow } from "../../protocol/types.js";
import { count, money } from "../base/amounts.js";
import { download } from "../base/download.js";
import { ago, fullTime } from "../base/format.js";
import { icon } from "../base/more-icons.js";
import { saveConversation } from "../sessions/save.js";
import { titleOf } from "../sessions/title.js";
import sessionsText from "../styles/control-sessions.css?inline";
import { badge, empty } from "./base/parts.js";
import type { Column, Sort } from "./base/table.js";
import { ControlTable } from "./base/table.js";
import { ControlTab } from "./base/tab.js";
import { SessionEdit } from "./sessions-dialog.js";
import { choicesOf, filterOf, queryOf, SessionList } from "./sessions-list.js";
import type { Choices, Place, SortColumn } from "./sessions-list.js";
import { ACTION_TEXTS, AGE_TEXTS, ARCHIVED_TEXTS, FILTER_TEXTS, KIND_TEXTS } from "./sessions-texts.js";
import type { Action } from "./sessions-texts.js";

addTexts({ en, ko });

/** A search waits until nothing was typed for so long, in milliseconds. */
const PAUSE_MS = 200;
/** Keys in one request. */
const AT_ONCE = 1000;
const EXPORT_AT_ONCE = 200;
const READ_AT_ONCE = 500;
/** How long the note with the way back stays: a little shorter than the gateway keeps what was deleted. */
const UNDO_MS = 55_000;
/** What takes an action back. */
const BACK = { archive: "unarchive", unarchive: "archive", delete: "undelete", undelete: null } as const;
const FORMATS: readonly ExportFormat[] = ["markdown", "json", "html", "ipynb"];

/** A session with which it went wrong. */
interface Failed {
  key?: string;
  error?: { message?: string; details?: { text?: string; reason?: string } };
}

function define(name: string, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, index) =>
    list.slice(index * size, (index + 1) * size),
  );
}

export class ControlSessions extends ControlTab {
  static override sheet = [...ControlTab.sheet, unsafeCSS(sessionsText)];
  static override properties = {
    ...ControlTab.properties,
    chosen: { state: true },
    format: { state: true },
    working: { state: true },
  };

  protected override readonly events = ["session.changed", "session.message"];

  private choices: Choices = choicesOf(new URLSearchParams());
  private readonly list = new SessionList(
    (offset, limit) => this.request("sessions.page", { ...filterOf(this.choices, Date.now()), offset, limit }),
    () => this.requestUpdate(),
  );
  /** Keys of the rows that are selected. */
  declare private chosen: ReadonlySet<string>;
  declare private format: ExportFormat;
  /** Something is being done with the selection. */
  declare private working: boolean;
  private typing: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.chosen = new Set();
    this.format = "markdown";
    this.working = false;
    define("clawdbot-control-table", ControlTable);
    define("clawdbot-session-edit", SessionEdit);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.typing);
  }

  protected override addressChanged(query: URLSearchParams): void {
    const before = this.choices;
    this.choices = choicesOf(query);
    // A selection is of rows in sight: nothing is done with others.
    if ((["search", "kind", "age", "archived"] as const).some((name) => before[name] !== this.choices[name]))
      this.chosen = new Set();
    this.list.restart();
    void this.reload();
  }

  protected override load(): Promise<void> {
    return this.list.read();
  }

  private choose(change: Partial<Choices>): void {
    clearTimeout(this.typing);
    this.control.setQuery(queryOf({ ...this.choices, ...change }));
  }

  // -- drawing ------------------------------------------------------------------------------------------------------
  protected override content(): TemplateResult {
    const { t, locale } = this;
    const { total } = this.list;
    const all = Object.values(queryOf({ ...this.choices, sort: "updated", down: true })).every((value) => value === "");
    return html`${this.filters()}
      <p class="fine" role="status">
        ${t("sessionsTab.count", { count: total === 1 ? 1 : new Intl.NumberFormat(locale).format(total) })}
      </p>
      ${
        total > 0
          ? this.table()
          : all
            ? empty(t("sessionsTab.none"))
            : empty(
                t("sessionsTab.noneFound"),
                html`<button type="button" class="button" @click=${() => this.control.setQuery({})}>
                  ${t("sessionsTab.reset")}
                </button>`,
              )
      }
      ${this.chosen.size > 0 ? this.selection() : nothing}
      <clawdbot-session-edit .control=${this.control}></clawdbot-session-edit>`;
  }

  private filters(): TemplateResult {
    const { t, choices } = this;
    const select = (name: keyof typeof FILTER_TEXTS, options: readonly [string, TextKey][]): TemplateResult =>
      html`<select
        aria-label=${t(FILTER_TEXTS[name])}
        @change=${(event: Event) => {
          const { value } = event.target as HTMLSelectElement;
          this.choose({ [name]: value });
        }}
      >
        ${options.map(([value, text]) => html`<option value=${value} .selected=${value === choices[name]}>${t(text)}</option>`)}
      </select>`;
    return html`<div class="control-bar" role="search">
      <input
        type="search"
        aria-label=${t("sessionsTab.search")}
        placeholder=${t("sessionsTab.search")}
        autocomplete="off"
        maxlength="256"
        .value=${choices.search}
        @input=${(event: Event) => {
          const search = (event.target as HTMLInputElement).value;
          clearTimeout(this.typing);
          this.typing = setTimeout(() => {
            if (this.active) this.choose({ search }); // the address may be another tab's by now
          }, PAUSE_MS);
        }}
      />
      ${select("kind", Object.entries(KIND_TEXTS))} ${select("age", Object.entries(AGE_TEXTS))}
      ${select("archived", Object.entries(ARCHIVED_TEXTS))}
    </div>`;
  }

  private table(): TemplateResult {
    const { t } = this;
    return html`<clawdbot-control-table
      .t=${t}
      .caption=${t("control.tab.sessions")}
      .columns=${this.columns()}
      .rows=${this.list.places()}
      .rowKey=${({ row, index }: Place) => row?.entry.key ?? `#${index}`}
      .sort=${{ by: this.choices.sort, down: this.choices.down }}
      @control-sort=${(event: CustomEvent<Sort>) =>
        this.choose({ sort: event.detail.by as SortColumn, down: event.detail.down })}
    ></clawdbot-control-table>`;
  }

  /** The gateway sorts; to the table all rows are alike, numbers or words. */
  private columns(): Column<Place>[] {
    const { t, locale } = this;
    const now = Date.now();
    const cell = (draw: (row: SessionRow) => unknown) => (place: Place) => (place.row ? draw(place.row) : nothing);
    const numbers = { sort: () => 0, align: "end" } as const;
    const words = { sort: () => "" };
    return [
      ...(this.can("sessions.bulk") || this.can("sessions.exportMany")
        ? [{ id: "select", label: t("sessionsTab.selection"), quiet: true, cell: cell((row) => this.checkbox(row)) }]
        : []),
      { id: "title", label: t("sessionsTab.title"), head: true, ...words, cell: (place) => this.name(place) },
      { id: "kind", label: t("sessionsTab.kind"), cell: cell(({ kind }) => t(KIND_TEXTS[kind])) },
      {
        id: "tokens",
        label: t("control.tokens"),
        ...numbers,
        cell: cell(
          ({ tokens }) =>
            html`<span title=${new Intl.NumberFormat(locale).format(tokens)}>${count(tokens, locale)}</span>`,
        ),
      },
      { id: "cost", label: t("control.cost"), ...numbers, cell: cell((row) => this.cost(row)) },
      {
        id: "model",
        label: t("control.model"),
        ...words,
        cell: cell(({ entry }) => entry.modelName ?? entry.model ?? ""),
      },
      {
        id: "updated",
        label: t("sessionsTab.age"),
        sort: () => 0,
        cell: cell(({ entry: { updatedAt } }) =>
          updatedAt === null
            ? nothing
            : html`<time title=${fullTime(updatedAt, locale)}>${ago(updatedAt, now, locale)}</time>`,
        ),
      },
      ...(this.can("sessions.patch")
        ? [{ id: "actions", label: t("sessionsTab.actions"), quiet: true, cell: cell((row) => this.change(row)) }]
        : []),
    ];
  }

  private titleIn({ entry }: SessionRow): string {
    return titleOf(entry, entry.key, this.control.ui.controller.state.mainKey, this.t);
  }

  private name({ row, index }: Place): unknown {
    const { t } = this;
    this.list.see(index);
    if (!row) return html`<span class="sessions-coming fine">${t("control.loading")}</span>`;
    const { entry } = row;
    const title = this.titleIn(row);
    return html`<span class="sessions-name">
      ${entry.pinned ? html`<span role="img" aria-label=${t("sessionsTab.pinned")}>${icon("pin")}</span>` : nothing}
      <button
        type="button"
        class="link"
        dir="auto"
        title=${t("sessionsTab.open")}
        @click=${() => this.control.openSession(entry.key)}
      >
        ${title}
      </button>
      ${entry.running ? badge(t("sessionsTab.running"), "info") : nothing}
      ${entry.archived ? badge(t("sessionsTab.isArchived"), "info") : nothing}
    </span>`;
  }

  private cost({ entry, unpriced }: SessionRow): unknown {
    const { t, locale } = this;
    const { cost = 0 } = entry;
    if (unpriced === 0) return money(cost, locale);
    const text = cost > 0 ? t("control.partly", { cost: money(cost, locale) }) : t("control.notKnown");
    return html`<span title=${t("sessionsTab.unknownHint", { count: unpriced })}>${text}</span>`;
  }

  private checkbox(row: SessionRow): TemplateResult {
    const { key } = row.entry;
    return html`<input
      type="checkbox"
      aria-label=${this.t("sessionsTab.select", { title: this.titleIn(row) })}
      .checked=${this.chosen.has(key)}
      @change=${(event: Event) => {
        const chosen = new Set(this.chosen);
        if ((event.target as HTMLInputElement).checked) chosen.add(key);
        else chosen.delete(key);
        this.chosen = chosen;
      }}
    />`;
  }

  private change(row: SessionRow): TemplateResult {
    const { t } = this;
    return html`<button
      type="button"
      class="icon-button small"
      aria-label=${t("sessionsTab.edit", { title: this.titleIn(row) })}
      title=${t("sessionsTab.editShort")}
      ?disabled=${!this.online}
      @click=${() => void this.querySelector<SessionEdit>("clawdbot-session-edit")?.open(row.entry)}
    >
      ${icon("pencil")}
    </button>`;
  }

  // -- many ---------------------------------------------------------------------------------------------------------
  private selection(): TemplateResult {
    const { t, locale, choices, chosen } = this;
    const off = !this.online || this.working;
    const number = new Intl.NumberFormat(locale);
    const act = (action: Action, kind = ""): TemplateResult =>
      html`<button type="button" class="button ${kind}" ?disabled=${off} @click=${() => void this.many(action)}>
        ${t(ACTION_TEXTS[action].label)}
      </button>`;
    return html`<div class="control-bar sessions-selection" role="group" aria-label=${t("sessionsTab.selection")}>
      <strong role="status">${t("sessionsTab.selected", { count: number.format(chosen.size) })}</strong>
      ${
        chosen.size < this.list.total
          ? html`<button type="button" class="button" ?disabled=${off} @click=${() => void this.selectAll()}>
              ${t("sessionsTab.selectAll", { count: number.format(this.list.total) })}
            </button>`
          : nothing
      }
      <button type="button" class="button" @click=${() => (this.chosen = new Set())}>
        ${t("sessionsTab.unselect")}
      </button>
      ${this.can("sessions.exportMany") ? this.exporting(off) : nothing}
      ${
        this.can("sessions.bulk")
          ? html`${choices.archived === "only" ? nothing : act("archive")}
            ${choices.archived === "without" ? nothing : act("unarchive")} ${act("delete", "danger")}`
          : nothing
      }
    </div>`;
  }

  private exporting(off: boolean): TemplateResult {
    const { t } = this;
    return html`<select
        aria-label=${t("sessionsTab.format")}
        @change=${(event: Event) => (this.format = (event.target as HTMLSelectElement).value as ExportFormat)}
      >
        ${FORMATS.map((form) => html`<option value=${form} .selected=${form === this.format}>${form}</option>`)}
      </select>
      <button type="button" class="button" ?disabled=${off} @click=${() => void this.exportMany()}>
        ${t("sessionsTab.export")}
      </button>`;
  }

  /** Do something with the selection, with the buttons off meanwhile. */
  private async busy(work: () => Promise<void>): Promise<void> {
    this.working = true;
    await this.attempt(work());
    this.working = false;
  }

  private selectAll(): Promise<void> {
    return this.busy(async () => {
      const filter = filterOf(this.choices, Date.now());
      const keys = new Set<string>();
      for (let offset = 0; ; offset += READ_AT_ONCE) {
        const { rows, total } = await this.request("sessions.page", { ...filter, offset, limit: READ_AT_ONCE });
        for (const { entry } of rows) keys.add(entry.key);
        if (rows.length === 0 || offset + rows.length >= total) break;
      }
      this.chosen = keys;
    });
  }

  private async many(action: Action): Promise<void> {
    const { t } = this;
    const keys = [...this.chosen];
    if (action === "delete") {
      const title = t("sessionsTab.deleteTitle", { count: keys.length });
      const question = { title, text: t("sessionsTab.deleteText"), action: t("sessionsTab.delete"), danger: true };
      if (!(await this.control.confirm(question))) return;
    }
    await this.busy(() => this.carryOut(action, keys));
  }

  /** `until`: as long as what is done here, or what this takes back, can be undone. */
  private async carryOut(action: Action, keys: readonly string[], until = Date.now() + UNDO_MS): Promise<void> {
    const done: string[] = [];
    const failed: Failed[] = [];
    /** Asked for, and not answered. */
    let unsure: readonly string[] = [];
    try {
      for (const some of chunks(keys, AT_ONCE)) {
        unsure = some;
        const result: ResultOf<"sessions.bulk"> = await this.request("sessions.bulk", { action, keys: some });
        unsure = [];
        done.push(...result.done);
        failed.push(...result.failed);
      }
    } catch (error) {
      if (error instanceof RequestRefused) unsure = [];
      throw error;
    } finally {
      // Also when the connection was lost: what was done by then can be undone, and what was not can be tried again.
      const over = new Set([...done, ...failed.map(({ key }) => key)]);
      const left = keys.filter((key) => !over.has(key));
      this.chosen = new Set(action === "undelete" ? [] : left);
      this.tellDone(action, done, until);
      if (action === "undelete") this.tellDone("delete", left, until);
      else this.tellDone(action, unsure, until, "sessionsTab.unsure");
      this.tellFailed("sessionsTab.some", failed);
      await this.reload();
    }
  }

  private tellDone(
    action: Action,
    done: readonly string[],
    until: number,
    what: TextKey = ACTION_TEXTS[action].done,
  ): void {
    if (done.length === 0) return;
    const { t } = this;
    const undo = BACK[action];
    const text = t(what, { count: done.length });
    const lasts = until - Date.now();
    const run = (): void => {
      if (undo !== null) void this.busy(() => this.carryOut(undo, done, action === "delete" ? until : undefined));
    };
    const back = undo === null || lasts <= 0 ? {} : { lasts, action: { label: t("sessionsTab.undo"), run } };
    this.control.ui.toast({ text, ...back });
  }

  private tellFailed(text: TextKey, failed: readonly Failed[]): void {
    const [first] = failed;
    if (!first) return;
    const reason = first.error?.details?.text ?? first.error?.message ?? "";
    this.control.ui.toast({ text: this.t(text, { count: failed.length, reason }), kind: "error" });
  }

  private exportMany(): Promise<void> {
    return this.busy(async () => {
      const { t, format } = this;
      const { ui } = this.control;
      const large: string[] = [];
      let number = 0;
      for (const some of this.chosen.size > 1 ? chunks([...this.chosen], EXPORT_AT_ONCE) : []) {
        for (let left = some; left.length > 0;) {
          const file = await this.request("sessions.exportMany", { format, keys: left });
          const content = Uint8Array.from(atob(file.content), (char) => char.charCodeAt(0));
          if (file.done.length > 0) download(file.filename, file.mediaType, content);
          number += file.done.length;
          left = [...(file.left ?? [])];
          const failed: readonly Failed[] = file.failed;
          const alone = failed.filter((each) => ui.http && each.error?.details?.reason === "EXPORT_TOO_LARGE");
          large.push(...alone.flatMap(({ key }) => key ?? []));
          this.tellFailed(
            "sessionsTab.notExported",
            failed.filter((each) => !alone.includes(each)),
          );
        }
      }
      for (const key of this.chosen.size > 1 ? large : this.chosen) {
        await saveConversation(ui, key, format);
        number += 1;
      }
      if (number > 0) ui.toast({ text: t("sessionsTab.exported", { count: number }) });
    });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-control-sessions": ControlSessions;
  }
}
