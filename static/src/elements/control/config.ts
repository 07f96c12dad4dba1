/**
 * `<clawdbot-control-config>`: the configuration as a form and as a text. What another person or program changes
 * meanwhile is shown beside what was typed here, and written over only once both were seen.
 */
import { html, nothing, unsafeCSS } from "lit";
import type { TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { RequestRefused } from "../../client/gateway-client.js";
import { addTexts } from "../../i18n/index.js";
import type { TextKey } from "../../i18n/index.js";
import en from "../../i18n/control-config.en.json";
import ko from "../../i18n/control-config.ko.json";
import { icon } from "../base/icons.js";
import configText from "../styles/control-config.css?inline";
import segmentsText from "../styles/segments.css?inline";
import { choices, empty } from "./base/parts.js";
import { ControlTab } from "./base/tab.js";
import { configField } from "./config-field.js";
import type { Fault, FieldActs, FieldState } from "./config-field.js";
import { check, fieldsOf, found, patchOf, textOf } from "./config-fields.js";
import type { Field, Schema, Snapshot } from "./config-fields.js";
import { ControlConfigRaw } from "./config-raw.js";

addTexts({ en, ko });
if (!customElements.get("clawdbot-control-config-raw"))
  customElements.define("clawdbot-control-config-raw", ControlConfigRaw);

/** What was typed into a field, and what the file had for it then. */
interface Edit {
  /** `null`: out of the file. */
  text: string | null;
  over: string;
}

type View = "form" | "raw";

const GROUPS: Readonly<Record<string, TextKey>> = {
  gateway: "configTab.group.gateway",
  storage: "configTab.group.storage",
  session: "configTab.group.session",
  agents: "configTab.group.agents",
  models: "configTab.group.models",
  policy: "configTab.group.policy",
  hands: "configTab.group.hands",
  media: "configTab.group.media",
  logging: "configTab.group.logging",
  ui: "configTab.group.ui",
};

export class ControlConfig extends ControlTab {
  static override sheet = [...ControlTab.sheet, unsafeCSS(segmentsText + configText)];
  static override properties = {
    ...ControlTab.properties,
    edits: { state: true },
    faults: { state: true },
    refusal: { state: true },
    wanted: { state: true },
    view: { state: true },
    saving: { state: true },
  };

  protected override readonly events = ["config.changed"];

  declare private edits: ReadonlyMap<string, Edit>;
  declare private faults: ReadonlyMap<string, Fault>;
  /** Why nothing was written, where no field is to blame. */
  declare private refusal: string;
  declare private wanted: string;
  declare private view: View;
  declare private saving: boolean;
  private snapshot: Snapshot | null = null;
  private schema: Schema | null = null;
  private schemaLocale = "";
  private fields: readonly Field[] = [];

  constructor() {
    super();
    this.edits = new Map();
    this.faults = new Map();
    this.refusal = "";
    this.wanted = "";
    this.view = "form";
    this.saving = false;
  }

  protected override async load(): Promise<void> {
    const fresh = this.schemaLocale === this.locale ? this.schema : null;
    const [snapshot, schema] = await Promise.all([
      this.request("config.get", {}),
      fresh ?? this.request("config.schema", {}),
    ]);
    this.schema = schema as unknown as Schema;
    this.schemaLocale = this.locale;
    this.take(snapshot as unknown as Snapshot);
  }

  private take(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    if (this.schema) this.fields = fieldsOf(this.schema, snapshot);
    this.requestUpdate();
  }

  protected override addressChanged(query: URLSearchParams): void {
    this.wanted = query.get("q") ?? "";
    this.view = query.get("view") === "raw" ? "raw" : "form";
  }

  private go(view: View, query: string): void {
    this.view = view;
    this.wanted = query;
    this.control.setQuery({ view: view === "raw" ? view : "", q: view === "form" ? query : "" });
  }

  private get writable(): boolean {
    return this.can("config.patch");
  }

  // -- drawing ------------------------------------------------------------------------------------------------------
  protected override content(): TemplateResult {
    const { t, snapshot, view } = this;
    if (!snapshot) return html``;
    if (this.schemaLocale !== this.locale) void this.reload();
    return html`<p class="fine config-path">${t("configTab.path")} <code>${snapshot.path}</code></p>
      ${this.waiting(snapshot)} ${this.broken(snapshot)}
      ${
        snapshot.comments && view === "form" && this.writable
          ? html`<p class="control-note">${icon("warn")} ${t("configTab.comments")}</p>`
          : nothing
      }
      <div class="control-bar">
        ${choices<View>(
          "config-view",
          t("configTab.view"),
          [
            { value: "form", label: t("configTab.form") },
            { value: "raw", label: t("configTab.raw") },
          ],
          view,
          (to) => this.go(to, this.wanted),
        )}
        ${view === "form" ? this.search() : nothing}
      </div>
      ${
        view === "form"
          ? this.form()
          : html`<clawdbot-control-config-raw
              .control=${this.control}
              .snapshot=${snapshot}
              .writable=${this.writable}
              .onRead=${() => this.reload()}
            ></clawdbot-control-config-raw>`
      }`;
  }

  /** What takes effect at the next start alone, and the offer of one. */
  private waiting({ restart = [] }: Snapshot): TemplateResult | typeof nothing {
    const { t } = this;
    if (restart.length === 0) return nothing;
    return html`<div class="control-note config-restart" role="status">
      <p>${icon("warn")} ${t("configTab.restartNeeded", { names: restart.join(", ") })}</p>
      ${
        this.can("gateway.stop")
          ? html`<button type="button" class="button" ?disabled=${!this.online} @click=${() => void this.restart()}>
              ${icon("retry")} ${t("configTab.restart")}
            </button>`
          : html`<code>clawdbot gateway restart</code>`
      }
    </div>`;
  }

  private async restart(): Promise<void> {
    const { t } = this;
    const sure = await this.control.confirm({
      title: t("configTab.restartTitle"),
      text: t("configTab.restartText"),
      action: t("configTab.restart"),
    });
    if (sure) await this.attempt(this.request("gateway.stop", { restart: true }));
  }

  private broken({ valid, issues }: Snapshot): TemplateResult | typeof nothing {
    if (valid) return nothing;
    const { t } = this;
    return html`<div class="control-problem" role="alert">
      <p>${icon("warn")} ${t("configTab.broken")}</p>
      <ul>
        ${issues.map(
          ({ path, message, suggestion }) =>
            html`<li>
              <code>${path}</code>
              ${message}${suggestion ? html` (${t("configTab.meant", { value: suggestion })})` : nothing}
            </li>`,
        )}
      </ul>
    </div>`;
  }

  private search(): TemplateResult {
    const { t } = this;
    return html`<input
      type="search"
      aria-label=${t("configTab.search")}
      placeholder=${t("configTab.search")}
      .value=${this.wanted}
      @input=${(event: Event) => this.go("form", (event.target as HTMLInputElement).value)}
    />`;
  }

  private form(): TemplateResult {
    const { t } = this;
    const shown = found(this.fields, this.wanted);
    const groups = [...new Set(shown.map(({ group }) => group))];
    return html`<p class="sr" role="status">
        ${this.wanted === "" ? nothing : t("configTab.found", { count: shown.length })}
      </p>
      ${shown.length === 0 ? empty(t("configTab.none", { query: this.wanted })) : nothing}
      ${repeat(
        groups,
        (group) => group,
        (group) =>
          html`<section class="control-section config-group" aria-labelledby="config-${group}">
            <h2 id="config-${group}">${this.groupName(group)}</h2>
            ${repeat(
              shown.filter((field) => field.group === group),
              ({ name }) => name,
              (field) => configField(this.control.ui, field, this.stateOf(field), this.acts),
            )}
          </section>`,
      )}
      ${this.foot()}`;
  }

  /** A group that a newer gateway has keeps the name that it has in the file. */
  private groupName(group: string): string {
    const key = GROUPS[group];
    return key === undefined ? group : this.t(key);
  }

  private stateOf(field: Field): FieldState {
    const edit = this.edits.get(field.name);
    const changed = edit !== undefined && edit.over !== textOf(field.stored);
    return {
      text: edit === undefined ? null : edit.text,
      edited: edit !== undefined,
      theirs: changed ? textOf(field.stored) || this.t("configTab.notInFile") : null,
      fault: this.faults.get(field.name) ?? null,
      // What is typed while it is being saved would go with what was saved.
      enabled: this.online && this.writable && !this.saving && this.snapshot?.raw !== null,
    };
  }

  private foot(): TemplateResult | typeof nothing {
    const { t, edits, refusal } = this;
    if (edits.size === 0) return nothing;
    const restarts = this.fields.some(({ name, restart }) => restart && edits.has(name));
    return html`<div class="config-foot" role="region" aria-label=${t("configTab.unsaved")}>
      <p role="status">
        ${t("configTab.changes", { count: edits.size })}
        ${restarts ? html`<small>${t("configTab.willRestart")}</small>` : nothing}
      </p>
      ${refusal === "" ? nothing : html`<p class="fault" role="alert">${icon("warn")} ${refusal}</p>`}
      <div class="card-actions">
        <button type="button" class="button" @click=${() => this.discard()}>${t("configTab.discard")}</button>
        <button
          type="button"
          class="button primary"
          ?disabled=${!this.online || this.saving}
          @click=${() => void this.save()}
        >
          ${t("control.save")}
        </button>
      </div>
    </div>`;
  }

  // -- editing ------------------------------------------------------------------------------------------------------
  private readonly acts: FieldActs = {
    change: (field, text) => {
      const edits = new Map(this.edits);
      const over = edits.get(field.name)?.over ?? textOf(field.stored);
      // What is in force anyway is no change.
      const same = text !== null && text === textOf(field.value) && over === textOf(field.stored);
      if (same || (text === null && field.stored === undefined)) edits.delete(field.name);
      else edits.set(field.name, { text, over });
      this.edits = edits;
      this.setFault(field.name, null);
    },
    leave: (field) => {
      const text = this.edits.get(field.name)?.text;
      if (typeof text === "string") this.judge(field, text);
    },
    takeTheirs: (field) => {
      const edits = new Map(this.edits);
      edits.delete(field.name);
      this.edits = edits;
      this.setFault(field.name, null);
    },
    keepMine: (field) => {
      const edit = this.edits.get(field.name);
      if (edit) this.edits = new Map(this.edits).set(field.name, { ...edit, over: textOf(field.stored) });
    },
  };

  private setFault(name: string, fault: Fault | null): void {
    const faults = new Map(this.faults);
    if (fault) faults.set(name, fault);
    else faults.delete(name);
    this.faults = faults;
    this.refusal = "";
  }

  /** The value of a field's text; a wrong one is told beside the field. */
  private judge(field: Field, text: string): { value: unknown } | null {
    const checked = check(field, text);
    if ("value" in checked) return checked;
    const { minimum: low, maximum: high } = field;
    const range = low === null || high === null ? "configTab.atLeast" : "configTab.range";
    const words = checked.problem === "range" ? range : "configTab.integer";
    this.setFault(field.name, {
      text: this.t(words, { low: low ?? high ?? 0, high: high ?? 0 }),
      suggestion: checked.suggestion,
    });
    return null;
  }

  private discard(): void {
    this.edits = new Map();
    this.faults = new Map();
    this.refusal = "";
  }

  private async save(): Promise<void> {
    const { snapshot, fields } = this;
    if (!snapshot) return;
    const values = new Map<string, unknown>();
    let wrong = "";
    for (const [name, { text }] of this.edits) {
      const field = fields.find((each) => each.name === name);
      if (!field) continue; // of a provider that is gone
      const checked =
        text === null || (text === "" && field.kind === "string") ? { value: null } : this.judge(field, text);
      if (checked) values.set(name, checked.value);
      else wrong = wrong === "" ? name : wrong;
    }
    const unseen = fields.find((field) => this.stateOf(field).theirs !== null);
    if (unseen && wrong === "") this.refusal = this.t("configTab.bothFirst");
    if (wrong !== "" || unseen) {
      this.show(wrong === "" ? (unseen?.name ?? "") : wrong);
      return;
    }
    this.saving = true;
    try {
      const raw = JSON.stringify(patchOf(values));
      const written = await this.request("config.patch", { raw, baseHash: snapshot.hash });
      this.discard();
      this.take(written as unknown as Snapshot);
      this.control.ui.toast({ text: this.t("configTab.saved") });
    } catch (error) {
      await this.refused(error);
    } finally {
      this.saving = false;
    }
  }

  /** Nothing was written: say so beside the field, or show what the file has become. */
  private async refused(error: unknown): Promise<void> {
    if (!(error instanceof RequestRefused)) {
      this.refusal = this.t("configTab.unsure");
      return;
    }
    if (error.reason === "STALE") {
      await this.reload();
      this.refusal = this.t("configTab.stale");
      const unseen = this.fields.find((field) => this.stateOf(field).theirs !== null);
      if (unseen) this.show(unseen.name);
      return;
    }
    const { setting, problem, suggestion } = error.details ?? {};
    const name = typeof setting === "string" ? setting : "";
    if (!this.fields.some((field) => field.name === name)) {
      this.refusal = error.message;
      return;
    }
    const text = typeof problem === "string" ? problem : error.message;
    this.setFault(name, { text, suggestion: typeof suggestion === "string" ? suggestion : "" });
    this.show(name);
  }

  /** Bring a field into view, also one that the search has hidden. */
  private show(name: string): void {
    if (!found(this.fields, this.wanted).some((field) => field.name === name)) this.go("form", "");
    void this.updateComplete.then(() => {
      const field = this.querySelector<HTMLElement>(`[data-setting="${CSS.escape(name)}"]`);
      field?.querySelector<HTMLElement>("input, select, textarea, button")?.focus();
      field?.scrollIntoView({ block: "center" });
    });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-control-config": ControlConfig;
  }
}
