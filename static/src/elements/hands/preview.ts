/** What a call will do, before the yes: cells with their differences, cells to run, code, files, a plan. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import type {
  CellOperation,
  EditPreview,
  HandsRequest,
  PlanPreview,
  Preview,
  RunPreview,
} from "../../protocol/hands.js";
import { sourceOf } from "../../protocol/hands.js";

import type { Ui } from "../base/ui-context.js";
import { body, cellName, heading, staleAfter } from "./cell-operations.js";
import { plain } from "./plain.js";
import { showCell } from "./show-cell.js";

/** What the person has chosen so far. */
export interface Draft {
  /** Indexes of operations that are refused. */
  readonly refused: ReadonlySet<number>;
  /** Index → the text in the place of the proposed one. */
  readonly edited: ReadonlyMap<number, string>;
  /** The index whose text is being changed. */
  readonly editing: number | null;
  /** There is nothing to choose: it is accepted or refused with something else. */
  readonly fixed?: boolean;
}

export interface PreviewActs {
  accept(at: number, yes: boolean): void;
  edit(at: number): void;
  change(at: number, text: string, proposed: string): void;
  done(): void;
  reset(at: number): void;
}

/** The preview of a request, if there is one that this page knows. */
export function previewOf({ preview }: HandsRequest): Preview | null {
  if (typeof preview !== "object" || preview === null) return null; // JSON of a gateway
  const known: Record<string, boolean> = {
    edit: "cells" in preview && Array.isArray(preview.cells),
    run: "cells" in preview && Array.isArray(preview.cells),
    code: "code" in preview && typeof preview.code === "string",
    file: "after" in preview,
    plan: "operations" in preview && Array.isArray(preview.operations),
  };
  return known[preview.type] ? preview : null;
}

export function previewView(ui: Ui, preview: Preview, draft: Draft, acts: PreviewActs): TemplateResult {
  switch (preview.type) {
    case "edit":
      return html`<ol class="operations">
          ${preview.cells.map((each, at) => operation(ui, preview, each, at, preview.cells.length > 1 && !draft.fixed, draft, acts))}
        </ol>
        ${stale(ui, preview.cells)}`;
    case "run":
      return run(ui, preview);
    case "code":
      return changeable(ui, { before: null, after: preview.code, name: ui.t("hands.code") }, draft, acts);
    case "file": {
      const facts = { before: preview.before ?? null, after: preview.after ?? "", name: preview.path };
      return changeable(ui, facts, draft, acts);
    }
    case "plan":
      return plan(ui, preview);
  }
}

function stale({ t }: Ui, cells: readonly CellOperation[]): TemplateResult | typeof nothing {
  const count = staleAfter(cells);
  return count === 0 ? nothing : html`<p class="fine stale">${t("hands.stale", { count })}</p>`;
}

// -- an operation ---------------------------------------------------------------------------------------------------
function operation(
  ui: Ui,
  { path }: EditPreview,
  each: CellOperation,
  at: number,
  several: boolean,
  draft: Draft,
  acts: PreviewActs,
): TemplateResult {
  const refused = draft.refused.has(at);
  const proposed = sourceOf(each.after);
  const after = draft.edited.get(at) ?? proposed;
  const head = heading(ui, each, after);
  const changes = (each.op === "insert" || each.op === "replace") && proposed !== null;
  return html`<li class="operation" ?data-refused=${refused}>
    <div class="operation-head">
      ${
        several
          ? html`<label
              ><input
                type="checkbox"
                .checked=${!refused}
                @change=${(event: Event) => acts.accept(at, (event.target as HTMLInputElement).checked)}
              />
              ${head}</label
            >`
          : html`<span>${head}</span>`
      }
      <span class="operation-acts">
        ${showCell(ui, path, each, false)}
        ${changes && !refused && !draft.fixed ? editButtons(ui, at, cellName(ui, each), draft, acts) : nothing}
      </span>
    </div>
    ${
      refused
        ? nothing
        : draft.editing === at
          ? editor(ui, at, after ?? "", proposed ?? "", cellName(ui, each), acts)
          : body(ui, each, after)
    }
  </li>`;
}

function editButtons(ui: Ui, at: number, name: string, draft: Draft, acts: PreviewActs): TemplateResult {
  const { t } = ui;
  const editing = draft.editing === at;
  return html`${
      draft.edited.has(at)
        ? html`<span class="op yours">${t("hands.edited")}</span>
            <button
              type="button"
              class="link"
              aria-label=${t("hands.resetNamed", { name })}
              @click=${() => acts.reset(at)}
            >
              ${t("hands.reset")}
            </button>`
        : nothing
    }
    <button
      type="button"
      class="link"
      data-edit=${at}
      aria-label=${editing ? t("hands.doneNamed", { name }) : t("hands.editNamed", { name })}
      @click=${() => (editing ? acts.done() : acts.edit(at))}
    >
      ${editing ? t("hands.done") : t("hands.edit")}
    </button> `;
}

function editor(ui: Ui, at: number, text: string, proposed: string, name: string, acts: PreviewActs): TemplateResult {
  const { t } = ui;
  return html`<textarea
      class="editor"
      data-editor=${at}
      spellcheck="false"
      autocapitalize="off"
      autocomplete="off"
      rows=${Math.min(18, Math.max(3, text.split("\n").length + 1))}
      aria-label=${t("hands.editNamed", { name })}
      aria-describedby="hands-editor-keys"
      .value=${text}
      @input=${(event: Event) => acts.change(at, (event.target as HTMLTextAreaElement).value, proposed)}
    ></textarea>
    <p class="fine" id="hands-editor-keys">${t("hands.editorKeys")}</p>`;
}

// -- the others -----------------------------------------------------------------------------------------------------
function changeable(
  ui: Ui,
  { before, after, name }: { before: string | null; after: string; name: string },
  draft: Draft,
  acts: PreviewActs,
): TemplateResult {
  const text = draft.edited.get(0) ?? after;
  return html`<div class="operation">
    <div class="operation-head">
      <span><code class="path">${plain(name)}</code></span>
      ${editButtons(ui, 0, name, draft, acts)}
    </div>
    ${
      draft.editing === 0
        ? editor(ui, 0, text, after, name, acts)
        : before === null && !draft.edited.has(0)
          ? html`<pre class="source" tabindex="0">${plain(text)}</pre>`
          : html`<clawdbot-diff
              .ui=${ui}
              .was=${before ?? after}
              .now=${text}
              .label=${ui.t("hands.diff.of", { name })}
            ></clawdbot-diff>`
    }
  </div>`;
}

function run(ui: Ui, { cells, kernel, path }: RunPreview): TemplateResult {
  const { t } = ui;
  const name = typeof kernel === "string" ? kernel : (kernel?.displayName ?? kernel?.name);
  return html`${name ? html`<p class="fine">${t("hands.kernel", { name })}</p>` : nothing}
    <ol class="operations">
      ${cells.map(
        (each) =>
          html`<li class="operation">
            <div class="operation-head">
              <span class="op-name">${cellName(ui, each)}</span>
              <span class="operation-acts">${showCell(ui, path, each, true)}</span>
            </div>
            <pre class="source" tabindex="0">${plain(each.source ?? "")}</pre>
          </li>`,
      )}
    </ol>`;
}

function plan(ui: Ui, { operations }: PlanPreview): TemplateResult {
  return html`<ol class="plan-steps">
    ${operations.map((each) => {
      if (typeof each === "string") return html`<li>${plain(each)}</li>`;
      const said = each.title ?? each.text ?? each.tool ?? "";
      const preview = previewOf(each.preview ? { preview: each.preview } : {});
      return html`<li>
        ${
          preview
            ? html`<details>
                <summary>${plain(said)}</summary>
                ${previewView(ui, preview, UNCHANGED, NO_ACTS)}
              </details>`
            : plain(said)
        }
      </li>`;
    })}
  </ol>`;
}

/** Inside a plan everything is accepted or refused together. */
const UNCHANGED: Draft = { refused: new Set(), edited: new Map(), editing: null, fixed: true };
const NO_ACTS: PreviewActs = {
  accept: () => undefined,
  edit: () => undefined,
  change: () => undefined,
  done: () => undefined,
  reset: () => undefined,
};
