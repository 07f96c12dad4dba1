/** `<clawdbot-grants>`: permissions that were given for more than one call, to be looked through and taken back. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import type { Grant, GrantScope } from "../../protocol/hands.js";
import { handsOf } from "../../state/hands.js";
import { entryOf } from "../../state/state.js";
import type { TextKey } from "../../i18n/index.js";

import type { Ui } from "../base/ui-context.js";
import { ago } from "../base/format.js";
import { LightElement } from "../base/light-element.js";
import { titleOf } from "../sessions/title.js";
import { sheet } from "../styles/hands.js";
import { plain } from "./plain.js";
import { addHandsTexts } from "./texts.js";

addHandsTexts();

const SCOPES: Record<GrantScope, TextKey> = {
  once: "hands.scope.once",
  cell: "hands.scope.cell",
  notebook: "hands.scope.notebook",
  always: "hands.grant.always",
};

export class ClawdbotGrants extends LightElement {
  static override sheet = sheet;
  static override properties = { ui: { attribute: false } };

  declare ui: Ui;
  private unwatch: (() => void) | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.unwatch?.();
    this.unwatch = undefined;
  }

  protected override firstUpdated(): void {
    handsOf(this.ui.controller).wantGrants();
  }

  protected override willUpdate(): void {
    this.unwatch ??= handsOf(this.ui.controller).watch(() => this.requestUpdate());
  }

  protected override render(): TemplateResult {
    const { t, controller } = this.ui;
    const { grants } = handsOf(controller).state;
    if (grants === null) return html`<p class="fine">${t("transcript.loading")}</p>`;
    if (grants.length === 0) return html`<p class="fine">${t("hands.noGrants")}</p>`;
    return html`<ul class="grants">
      ${repeat(
        grants,
        (each) => each.id,
        (each) => this.row(each),
      )}
    </ul>`;
  }

  private row(grant: Grant): TemplateResult {
    const { t, locale } = this.ui;
    const { tool, path, usedAtMs, createdAtMs } = grant;
    const used = usedAtMs > 0 ? t("hands.used", { ago: ago(usedAtMs, Date.now(), locale) }) : t("hands.unused");
    const given = t("hands.given", { ago: ago(createdAtMs, Date.now(), locale) });
    return html`<li>
      <div>
        <span><code>${plain(tool)}</code> · ${t(SCOPES[grant.scope])}</span>
        ${path === undefined ? nothing : html`<code class="path">${plain(path)}</code>`}
        <small>${[...this.session(grant), given, used].join(" · ")}</small>
      </div>
      <button
        type="button"
        class="button small"
        aria-label=${t("hands.revokeNamed", { name: `${tool} ${path ?? ""}`.trim() })}
        @click=${() => void this.revoke(grant)}
      >
        ${t("hands.revoke")}
      </button>
    </li>`;
  }

  private session({ sessionKey }: Grant): string[] {
    if (sessionKey === undefined) return [];
    const { state } = this.ui.controller;
    return [titleOf(entryOf(state, sessionKey), sessionKey, state.mainKey, this.ui.t)];
  }

  private async revoke(grant: Grant): Promise<void> {
    if (await this.ui.attempt(handsOf(this.ui.controller).revoke(grant.id))) {
      this.ui.announce(this.ui.t("hands.revoked"));
      await this.updateComplete;
      this.querySelector<HTMLElement>("button")?.focus();
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-grants": ClawdbotGrants;
  }
}
