/** `<clawdbot-control-models>`: providers and their keys, tried by a real request; the default model, and the prices. */
import { html, nothing, unsafeCSS } from "lit";
import type { TemplateResult } from "lit";
import { live } from "lit/directives/live.js";

import { RequestRefused } from "../../client/gateway-client.js";
import { addTexts } from "../../i18n/index.js";
import type { TextKey } from "../../i18n/index.js";
import en from "../../i18n/control-models.en.json";
import ko from "../../i18n/control-models.ko.json";
import type { ModelsProvider, ModelsProvidersResult, ModelsTestParams } from "../../protocol/generated.js";
import { count } from "../base/amounts.js";
import { icon } from "../base/icons.js";
import modelsText from "../styles/control-models.css?inline";
import { badge, command, empty, facts } from "./base/parts.js";
import type { Fact } from "./base/parts.js";
import type { Column } from "./base/table.js";
import { ControlTab } from "./base/tab.js";
import { dollars, nameFault, outcome, wordsOf } from "./models-test.js";
import type { Tested } from "./models-test.js";

addTexts({ en, ko });

/** A row of `models.list`. */
interface Row {
  id: string;
  name: string;
  provider: string;
  spec: string;
  contextWindow: number;
  maxTokens: number;
  isDefault: boolean;
  price?: { input: number; output: number; cacheRead: number; cacheWrite: number };
}

const SOURCES: Record<string, TextKey> = {
  flag: "modelsTab.key.flag",
  env: "control.fromEnv",
  traits: "control.fromTraits",
  file: "modelsTab.key.file",
  "clawdbot.json": "modelsTab.key.clawdbot",
};

export class ControlModels extends ControlTab {
  static override sheet = [...ControlTab.sheet, unsafeCSS(modelsText)];
  static override properties = {
    ...ControlTab.properties,
    tests: { state: true },
    busy: { state: true },
    draft: { state: true },
  };

  protected override readonly events = ["config.changed"];

  /** What came back, by provider; of one that is not there yet under an empty name. */
  declare private tests: ReadonlyMap<string, Tested>;
  /** The provider that is being asked. */
  declare private busy: string | null;
  /** The provider that is being added, once its fields were right. */
  declare private draft: { name: string; baseUrl: string; withKey: boolean } | null;
  private models: readonly Row[] = [];
  private providers: ModelsProvidersResult | null = null;
  private columns: readonly Column<Row>[] = [];
  private columnsFor = "";

  constructor() {
    super();
    this.tests = new Map();
    this.busy = null;
    this.draft = null;
  }

  protected override async load(): Promise<void> {
    const [listed, providers] = await Promise.all([
      this.request("models.list", {}),
      this.can("models.providers") ? this.request("models.providers", {}) : null,
    ]);
    this.models = listed.models as unknown as Row[];
    this.providers = providers;
  }

  // -- drawing ------------------------------------------------------------------------------------------------------
  protected override content(): TemplateResult {
    const { providers } = this;
    return html`${providers ? this.choice(providers) : nothing} ${providers ? this.listOf(providers) : nothing}
    ${this.table()}`;
  }

  private choice({ configured, configuredSource, defaultModel, allowed, allowedSource }: ModelsProvidersResult) {
    const { t } = this;
    const fixed = !this.can("config.patch") || ["flag", "env", "traits"].includes(configuredSource);
    const known = this.models.some(({ spec }) => spec === configured);
    // Live: a choice that was refused must not stay on show.
    return html`<section class="card models-choice">
      <h2>${t("modelsTab.choice")}</h2>
      <div class="models-default">
        <label for="models-default">${t("control.defaultModel")}</label>
        <select
          id="models-default"
          ?disabled=${fixed || !this.online}
          @change=${(event: Event) => void this.choose((event.target as HTMLSelectElement).value)}
        >
          <option value="" .selected=${live(configured === "")}>
            ${t("modelsTab.automatic", { model: configured === "" ? defaultModel : "" }).replace(/ ?\(\)$/, "")}
          </option>
          ${
            configured !== "" && !known
              ? html`<option value=${configured} .selected=${live(true)}>${configured}</option>`
              : nothing
          }
          ${this.models.map(
            ({ spec, name, provider }) =>
              html`<option value=${spec} .selected=${live(spec === configured)}>${name} · ${provider}</option>`,
          )}
        </select>
      </div>
      ${facts([
        {
          label: t("modelsTab.allowed"),
          value:
            allowed.length === 0
              ? t("modelsTab.all")
              : html`${allowed.map((each) => html`<code class="models-pattern">${each}</code> `)}`,
          hint: html`${allowedSource === "env" ? t("modelsTab.allowedEnv") : t("modelsTab.ownerOnly")}
          ${command(this.control.ui, `clawdbot config set models.allowed '${JSON.stringify(allowed.length ? allowed : ["sonnet", "haiku"])}'`)}`,
        },
      ])}
    </section>`;
  }

  private async choose(spec: string): Promise<void> {
    const raw = JSON.stringify({ agents: { defaults: { model: spec === "" ? null : spec } } });
    if (await this.attempt(this.request("config.patch", { raw })))
      this.control.ui.toast({ text: this.t("modelsTab.chosen") });
    await this.reload();
  }

  private listOf({ providers }: ModelsProvidersResult): TemplateResult {
    const { t } = this;
    return html`<section class="control-section">
      <h2>${t("modelsTab.providers")}</h2>
      ${providers.length === 0 ? empty(t("modelsTab.noProvider")) : nothing}
      <div class="control-grid">${providers.map((each) => this.provider(each))}</div>
      ${this.can("models.test") ? this.adding() : nothing}
    </section>`;
  }

  private provider(row: ModelsProvider): TemplateResult {
    const { t } = this;
    const { name, baseUrl, usable, isDefault, models, error } = row;
    const asking = this.busy === name;
    const rows: Fact[] = [
      {
        label: t("control.address"),
        value: baseUrl === "" ? t("modelsTab.anthropic") : html`<code>${baseUrl}</code>`,
      },
      { label: t("control.key"), value: this.keyOf(row) },
      { label: t("control.tab.models"), value: new Intl.NumberFormat(this.locale).format(models) },
    ];
    return html`<section class="card" aria-label=${name} data-provider=${name}>
      <h3 class="models-name">
        ${name} ${isDefault ? badge(t("modelsTab.answers")) : nothing}
        ${usable ? nothing : badge(t("modelsTab.unusable"), "warn")}
      </h3>
      ${facts(rows)} ${error ? html`<p class="fault">${icon("warn")} ${wordsOf(error)}</p>` : nothing}
      ${
        this.can("models.test")
          ? html`<div class="card-actions">
              <button
                type="button"
                class="button"
                aria-label=${t("modelsTab.testNamed", { name })}
                ?disabled=${!this.online || this.busy !== null}
                @click=${() => void this.test(name)}
              >
                ${t(asking ? "modelsTab.testing" : "modelsTab.test")}
              </button>
            </div>`
          : nothing
      }
      ${this.result(name)} ${this.keyForm(row)}
    </section>`;
  }

  private keyOf({ key, keySource, keyVariable, baseUrl, usable }: ModelsProvider): TemplateResult {
    const { t } = this;
    if (!key) return usable && baseUrl !== "" ? badge(t("modelsTab.noKeyNeeded")) : badge(t("modelsTab.noKey"), "warn");
    const source = SOURCES[keySource];
    return badge(source ? t(source, { variable: keyVariable ?? "" }) : keySource, "ok");
  }

  /** Anthropic's key can be given here; the others belong to an address, which only the owner's file names. */
  private keyForm({ name, keySource }: ModelsProvider): TemplateResult | typeof nothing {
    const { t } = this;
    const set = html`<p class="fine">${t("modelsTab.keyHint")}</p>
      ${command(this.control.ui, `clawdbot config set models.providers.${name}.apiKey`)}`;
    const here = name === "anthropic" && this.can("models.setKey") && ["file", "default"].includes(keySource);
    return html`<details>
      <summary>${t("modelsTab.changeKey")}</summary>
      ${
        here
          ? html`<form class="models-form" @submit=${(event: Event) => void this.keep(event)}>
              <label>${t("modelsTab.newKey")} <input type="password" name="key" autocomplete="off" required /></label>
              <button type="submit" class="button" ?disabled=${!this.online || this.busy !== null}>
                ${t("modelsTab.tryAndKeep")}
              </button>
            </form>`
          : set
      }
    </details>`;
  }

  private async keep(event: Event): Promise<void> {
    event.preventDefault();
    const field = (event.target as HTMLFormElement).querySelector("input");
    const apiKey = field?.value.trim() ?? "";
    if (apiKey === "" || !(await this.ask("anthropic", { apiKey }))) return;
    if (await this.attempt(this.request("models.setKey", { apiKey }))) {
      if (field) field.value = "";
      this.control.ui.toast({ text: this.t("modelsTab.kept") });
    }
    await this.reload();
  }

  /** A short message to the provider's first model; where none is known, the question for its models. */
  private async test(name: string): Promise<void> {
    const model =
      this.models.find(({ provider, isDefault }) => provider === name && isDefault) ??
      this.models.find(({ provider }) => provider === name);
    await this.ask(name, { provider: name, ...(model ? { model: model.id } : {}) });
  }

  private async ask(name: string, params: ModelsTestParams): Promise<boolean> {
    this.busy = name;
    let tested: Tested;
    try {
      tested = { ...(await this.request("models.test", params)), model: params.model ?? "" };
    } catch (error) {
      if (!(error instanceof RequestRefused)) throw error;
      tested = { ok: false, model: "", error: { message: error.message } };
    } finally {
      this.busy = null;
    }
    this.tests = new Map(this.tests).set(name, tested);
    return tested.ok;
  }

  private result(name: string): TemplateResult {
    const tested = this.tests.get(name);
    return html`<div class="models-result" role="status">
      ${tested ? outcome(tested, this.t, this.locale) : nothing}
    </div>`;
  }

  // -- one more -----------------------------------------------------------------------------------------------------
  private adding(): TemplateResult {
    const { t, draft } = this;
    const field = (name: string, label: TextKey, type: string, more = "") =>
      html`<label>
        ${t(label)}
        <input
          name=${name}
          type=${type}
          placeholder=${more}
          autocomplete="off"
          spellcheck="false"
          autocapitalize="off"
        />
      </label>`;
    return html`<details class="models-add">
      <summary>${t("modelsTab.add")}</summary>
      <form class="models-form" @submit=${(event: Event) => void this.tryNew(event)}>
        ${field("name", "control.name", "text", "ollama")}
        ${field("baseUrl", "modelsTab.addAddress", "text", "http://127.0.0.1:11434")}
        ${field("key", "modelsTab.addKey", "password")} ${field("model", "modelsTab.addModel", "text")}
        <button type="submit" class="button" ?disabled=${!this.online || this.busy !== null}>
          ${t(this.busy === "" ? "modelsTab.testing" : "modelsTab.test")}
        </button>
      </form>
      ${this.result("")}
      ${
        draft
          ? html`<p class="fine">${t("modelsTab.addHint")}</p>
              <div class="models-commands">
                ${command(this.control.ui, `clawdbot config set models.providers.${draft.name}.baseUrl '${draft.baseUrl}'`)}
                ${draft.withKey ? command(this.control.ui, `clawdbot config set models.providers.${draft.name}.apiKey`) : nothing}
              </div>`
          : nothing
      }
    </details>`;
  }

  private async tryNew(event: Event): Promise<void> {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    const given = (name: string): string => form.querySelector<HTMLInputElement>(`[name=${name}]`)?.value.trim() ?? "";
    const [name, baseUrl, key, model] = [given("name"), given("baseUrl"), given("key"), given("model")];
    const fault = nameFault(name, baseUrl);
    this.draft = null;
    if (fault) {
      this.tests = new Map(this.tests).set("", { ok: false, model: "", error: { message: this.t(fault.text) } });
      form.querySelector<HTMLInputElement>(`[name=${fault.field}]`)?.focus();
      return;
    }
    const params = { provider: name, baseUrl, apiKey: key, ...(model === "" ? {} : { model }) };
    await this.ask("", params);
    this.draft = { name, baseUrl: baseUrl.replaceAll("'", "%27"), withKey: key !== "" };
  }

  // -- models -------------------------------------------------------------------------------------------------------
  private table(): TemplateResult {
    const { t, locale } = this;
    if (this.columnsFor !== locale) {
      this.columns = this.columnsOf();
      this.columnsFor = locale;
    }
    return html`<section class="control-section">
      <h2>${t("modelsTab.table")}</h2>
      <p class="fine">${t("modelsTab.prices")}</p>
      ${
        this.models.length === 0
          ? empty(t("modelsTab.noModels"))
          : html`<clawdbot-control-table
              .t=${t}
              .caption=${t("modelsTab.table")}
              .columns=${this.columns}
              .rows=${this.models}
              .rowKey=${(row: Row) => row.spec}
            ></clawdbot-control-table>`
      }
    </section>`;
  }

  private columnsOf(): readonly Column<Row>[] {
    const { t, locale } = this;
    const price = (id: "input" | "output", label: TextKey): Column<Row> => ({
      id,
      label: t(label),
      align: "end",
      sort: (row) => row.price?.[id],
      cell: (row) => (row.price ? dollars(row.price[id], locale) : t("control.notKnown")),
    });
    const tokens = (id: "contextWindow" | "maxTokens", label: TextKey): Column<Row> => ({
      id,
      label: t(label),
      align: "end",
      sort: (row) => row[id],
      cell: (row) => (row[id] > 0 ? count(row[id], locale) : t("control.notKnown")),
    });
    return [
      {
        id: "name",
        label: t("control.model"),
        head: true,
        sort: (row) => row.name,
        cell: (row) =>
          html`${row.name} ${row.isDefault ? badge(t("modelsTab.isDefault"), "ok") : nothing}<br /><code
              >${row.id}</code
            >`,
      },
      { id: "provider", label: t("control.provider"), sort: (row) => row.provider, cell: (row) => row.provider },
      tokens("contextWindow", "modelsTab.context"),
      tokens("maxTokens", "modelsTab.output"),
      price("input", "modelsTab.priceIn"),
      price("output", "modelsTab.priceOut"),
    ];
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-control-models": ControlModels;
  }
}
