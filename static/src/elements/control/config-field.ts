/** One setting of the form: its control, what it means, where its value comes from, and what is wrong with it. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type { TextKey } from "../../i18n/index.js";
import { icon } from "../base/icons.js";
import type { Ui } from "../base/ui-context.js";
import { badge, command } from "./base/parts.js";
import { SECRET, commandOf, textOf } from "./config-fields.js";
import type { Field } from "./config-fields.js";

export interface Fault {
  text: string;
  /** The nearest right value; empty: none is near. */
  suggestion: string;
}

export interface FieldState {
  /** What was typed; `null` with `edited`: out of the file. */
  text: string | null;
  edited: boolean;
  /** What the file has now, where that is another value than the one that was typed over. */
  theirs: string | null;
  fault: Fault | null;
  enabled: boolean;
}

export interface FieldActs {
  /** `null`: out of the file, so that the default holds again. */
  change(field: Field, text: string | null): void;
  /** The field was left: a wrong value may be told now. */
  leave(field: Field): void;
  takeTheirs(field: Field): void;
  keepMine(field: Field): void;
}

const SOURCES: Record<string, TextKey> = {
  flag: "configTab.source.flag",
  env: "control.fromEnv",
  traits: "control.fromTraits",
  file: "configTab.source.file",
  "clawdbot.json": "configTab.source.clawdbot",
  default: "configTab.source.default",
};

export function configField(ui: Ui, field: Field, state: FieldState, acts: FieldActs): TemplateResult {
  const { t } = ui;
  const { name, owner, restart, help } = field;
  const id = `setting-${name.replaceAll(".", "-")}`;
  return html`<div class="config-field" data-setting=${name} ?data-edited=${state.edited} ?data-wrong=${state.fault}>
    <div class="config-name">
      <label for=${id}><code>${name}</code></label>
      ${sourceOf(ui, field)} ${restart ? badge(t("configTab.restarts")) : nothing}
    </div>
    <p class="config-help" id="${id}-help">${help}</p>
    ${owner ? ownersValue(ui, field, id) : control(ui, field, state, acts, id)} ${overridden(ui, field)}
    ${faultOf(ui, field, state, acts, id)} ${bothVersions(ui, field, state, acts)}
  </div>`;
}

/** Where the value in force comes from. */
export function sourceOf({ t }: Ui, { source, variable }: Field): TemplateResult {
  const key = SOURCES[source];
  return badge(key ? t(key, { variable }) : source);
}

/** A value that is changed on the gateway's own machine alone, with the command for it. */
function ownersValue(ui: Ui, field: Field, id: string): TemplateResult {
  const { t } = ui;
  const shown = field.secret
    ? t(field.value === SECRET ? "configTab.secretSet" : "configTab.secretUnset")
    : textOf(field.value) || t("configTab.emptyValue");
  return html`<output id=${id} class="config-value">${shown}${unitOf(field)}</output>
    <details class="config-owner">
      <summary>${t("configTab.ownerOnly")}</summary>
      <p class="fine">${t("configTab.ownerHint")}</p>
      ${command(ui, commandOf(field))}
    </details>`;
}

function unitOf({ unit, value }: Field): string {
  return unit && value !== undefined ? ` ${unit}` : "";
}

function control(ui: Ui, field: Field, state: FieldState, acts: FieldActs, id: string): TemplateResult {
  const { t } = ui;
  const text = state.edited ? (state.text ?? textOf(field.fallback)) : textOf(field.value);
  const about = `${id}-help${state.fault ? ` ${id}-fault` : ""}`;
  const inFile = state.edited ? state.text !== null : field.stored !== undefined;
  return html`<div class="config-control">
    ${input(ui, field, state, acts, { id, text, about })}
    ${field.unit ? html`<span class="fine">${field.unit}</span>` : nothing}
    ${
      inFile
        ? html`<button
            type="button"
            class="link"
            ?disabled=${!state.enabled}
            aria-label=${t("configTab.resetNamed", { name: field.name })}
            @click=${() => acts.change(field, null)}
          >
            ${t("configTab.reset", { value: fallbackText(ui, field) })}
          </button>`
        : nothing
    }
    ${inFile ? nothing : html`<span class="fine">${t("configTab.isDefault", { value: fallbackText(ui, field) })}</span>`}
  </div>`;
}

function fallbackText({ t }: Ui, { fallback, kind }: Field): string {
  if (kind === "boolean") return t(fallback === true ? "configTab.on" : "configTab.off");
  return textOf(fallback) || t("configTab.emptyValue");
}

function input(
  { t }: Ui,
  field: Field,
  { enabled, fault }: FieldState,
  acts: FieldActs,
  { id, text, about }: { id: string; text: string; about: string },
): TemplateResult {
  const change = (event: Event): void => acts.change(field, (event.target as HTMLInputElement).value);
  // A line that appears under a button that is being pressed would move it away from the pointer.
  const leave = (event: FocusEvent): void => {
    if (!(event.relatedTarget instanceof HTMLButtonElement)) acts.leave(field);
  };
  const invalid = fault ? "true" : nothing;
  if (field.kind === "boolean")
    return html`<input
        type="checkbox"
        role="switch"
        id=${id}
        aria-describedby=${about}
        ?disabled=${!enabled}
        .checked=${text === "true"}
        @change=${(event: Event) => acts.change(field, String((event.target as HTMLInputElement).checked))}
      />
      <span aria-hidden="true">${t(text === "true" ? "configTab.on" : "configTab.off")}</span>`;
  if (field.kind === "choice")
    return html`<select
      id=${id}
      aria-describedby=${about}
      aria-invalid=${invalid}
      ?disabled=${!enabled}
      @change=${change}
    >
      ${field.choices.map(
        (each) => html`<option value=${each} .selected=${each === text}>${each || t("configTab.emptyValue")}</option>`,
      )}
    </select>`;
  if (field.kind === "list" || (field.kind === "string" && text.includes("\n")) || field.name.endsWith("Prompt"))
    return html`<textarea
      id=${id}
      rows="3"
      spellcheck="false"
      aria-describedby=${about}
      aria-invalid=${invalid}
      placeholder=${field.kind === "list" ? t("configTab.onePerLine") : ""}
      ?readonly=${!enabled}
      .value=${text}
      @input=${change}
      @blur=${leave}
    ></textarea>`;
  return html`<input
    id=${id}
    type="text"
    inputmode=${field.kind === "integer" ? "numeric" : "text"}
    autocomplete="off"
    autocapitalize="off"
    spellcheck="false"
    aria-describedby=${about}
    aria-invalid=${invalid}
    ?readonly=${!enabled}
    .value=${text}
    @input=${change}
    @blur=${leave}
  />`;
}

/** The file's value has no effect while a stronger source has one. */
function overridden({ t }: Ui, { source, owner, variable, name }: Field): TemplateResult | typeof nothing {
  if (owner || !["flag", "env", "traits"].includes(source)) return nothing;
  return html`<p class="fine">
    ${icon("warn")} ${t("configTab.overridden", { by: source === "env" ? `$${variable}` : name })}
  </p>`;
}

function faultOf(
  { t }: Ui,
  field: Field,
  { fault }: FieldState,
  acts: FieldActs,
  id: string,
): TemplateResult | typeof nothing {
  if (!fault) return nothing;
  return html`<p class="fault" role="alert" id="${id}-fault">
    ${icon("warn")} ${fault.text}
    ${
      fault.suggestion === ""
        ? nothing
        : html`<button type="button" class="link" @click=${() => acts.change(field, fault.suggestion)}>
            ${t("configTab.useInstead", { value: fault.suggestion })}
          </button>`
    }
  </p>`;
}

function bothVersions({ t }: Ui, field: Field, state: FieldState, acts: FieldActs): TemplateResult | typeof nothing {
  if (state.theirs === null) return nothing;
  return html`<div class="config-both" role="alert">
    <p>${icon("warn")} ${t("configTab.changedMeanwhile")}</p>
    <dl>
      <div>
        <dt>${t("configTab.theirs")}</dt>
        <dd><code>${state.theirs}</code></dd>
      </div>
      <div>
        <dt>${t("configTab.mine")}</dt>
        <dd><code>${state.text ?? t("configTab.notInFile")}</code></dd>
      </div>
    </dl>
    <div class="card-actions">
      <button type="button" class="button" @click=${() => acts.takeTheirs(field)}>${t("configTab.takeTheirs")}</button>
      <button type="button" class="button" @click=${() => acts.keepMine(field)}>${t("configTab.keepMine")}</button>
    </div>
  </div>`;
}
