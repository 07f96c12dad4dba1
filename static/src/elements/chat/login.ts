/** `<clawdbot-login>`: who may come in. The credential is sent once and not kept; a cookie remembers. */
import { html, nothing } from "lit";
import type { TemplateResult } from "lit";

import { logIn } from "../../client/log-in.js";
import type { AuthApi } from "../../client/login-api.js";
import { isComposingKey } from "../../input/ime.js";
import type { AuthSession, Refused } from "../../protocol/types.js";
import { addTexts } from "../../i18n/index.js";
import type { Translate } from "../../i18n/index.js";
import en from "../../i18n/login.en.json";
import ko from "../../i18n/login.ko.json";

import { copyText } from "../base/clipboard.js";
import { secondsUntil } from "../base/format.js";
import { logo } from "../base/icons.js";
import { LightElement } from "../base/light-element.js";
import { forms } from "../styles/lazy.js";

addTexts({ en, ko });

type Mode = "token" | "password";

export class ClawdbotLogin extends LightElement {
  static override sheet = forms;
  static override properties = {
    session: { attribute: false },
    auth: { attribute: false },
    t: { attribute: false },
    linkExpired: { type: Boolean },
    onLoggedIn: { attribute: false },
    mode: { state: true },
    busy: { state: true },
    problem: { state: true },
    blockedUntil: { state: true },
    refused: { state: true },
    copied: { state: true },
  };

  declare session: AuthSession;
  declare auth: AuthApi;
  declare t: Translate;
  /** The person came by a one-time link that was used or too old. */
  declare linkExpired: boolean;
  declare private mode: Mode | null;
  declare private busy: boolean;
  declare private problem: "wrong" | "unreachable" | null;
  declare private blockedUntil: number;
  /** Why the gateway did not look at what was entered. */
  declare private refused: Refused | null;
  /** The command that was copied last. */
  declare private copied: string;
  private ticker: ReturnType<typeof setInterval> | undefined;

  declare onLoggedIn: () => void;

  constructor() {
    super();
    this.linkExpired = false;
    this.onLoggedIn = () => undefined;
    this.mode = null;
    this.busy = false;
    this.problem = null;
    this.blockedUntil = 0;
    this.refused = null;
    this.copied = "";
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.ticker);
  }

  protected override firstUpdated(): void {
    this.querySelector("input")?.focus();
  }

  protected override render(): TemplateResult {
    const { t, session } = this;
    const refused = this.refused ?? session.refused;
    if (refused?.setting || session.mount === "jupyter") {
      return html`<div class="login-card" role="alert">
        ${logo()}
        <h1>${t(refused?.setting ? "login.refusedTitle" : "login.title")}</h1>
        ${refused?.setting ? this.mend(refused, refused.setting) : this.leadToJupyter()}
        <button type="button" class="button" @click=${this.again}>${t("login.again")}</button>
      </div>`;
    }
    const mode = this.chosen();
    const other = session.modes.find((each) => each !== mode);
    const wait = secondsUntil(this.blockedUntil, Date.now());
    const label = mode === "token" ? t("login.token") : t("login.password");
    return html`<form class="login-card" @submit=${this.submit} @keydown=${this.keydown}>
      ${logo()}
      <h1>${t("login.title")}</h1>
      ${this.linkExpired ? html`<p class="expired">${t("login.expired")}</p>` : nothing}
      <p>${mode === "token" ? t("login.leadToken") : t("login.leadPassword")}</p>
      <label for="secret">${label}</label>
      <input
        id="secret"
        name="secret"
        type="password"
        autocomplete=${mode === "token" ? "off" : "current-password"}
        spellcheck="false"
        aria-invalid=${this.problem === "wrong" ? "true" : "false"}
        aria-describedby="login-problem"
        required
      />
      <p id="login-problem" class="problem" role="alert">${this.message(wait)}</p>
      <button type="submit" class="button primary" ?disabled=${this.busy || wait > 0}>
        ${wait > 0 ? t("login.wait", { seconds: wait }) : t("login.submit")}
      </button>
      ${
        other
          ? html`<button
              type="button"
              class="link"
              @click=${() => {
                this.mode = other;
                this.problem = null;
              }}
            >
              ${other === "token" ? t("login.useToken") : t("login.usePassword")}
            </button>`
          : nothing
      }
      <div class="login-help">
        <p>${t("login.help")}</p>
        ${this.command("web")}
        ${
          mode === "token"
            ? html`<p>${t("login.where")}</p>
                ${this.command("config get gateway.auth.token --reveal")}`
            : nothing
        }
      </div>
    </form>`;
  }

  /** Jupyter's login leads back to the page; beside a notebook it is a page of its own, so that nothing here is lost. */
  private leadToJupyter(): TemplateResult {
    const page = new URL("chat", this.auth.base);
    const own = page.pathname === location.pathname;
    return html`<p>${this.t("login.jupyter")}</p>
      <a class="button primary" href=${own ? location.href : page.href} target=${own ? "_self" : "_blank"}
        >${this.t("login.submit")}</a
      >`;
  }

  /** Which setting lets this page's address in, and how it is set. */
  private mend({ origin = location.origin, host = "", peer = "" }: Refused, setting: string): TemplateResult {
    const { t } = this;
    const ours = setting.startsWith("gateway.");
    const value = setting === "gateway.trustedProxies" ? peer : origin;
    const why =
      setting === "gateway.trustedProxies" ? "login.refusedProxy" : ours ? "login.refused" : "login.refusedJupyter";
    return html`<p>${t(why, { origin, host, peer })}</p>
      ${
        ours
          ? this.command(`config set ${setting} '${JSON.stringify([value])}'`)
          : this.copyable(`c.${setting} = ${JSON.stringify(value)}`)
      }`;
  }

  /** A command of ours as it is called on the gateway's machine, which need not have it on PATH. */
  private command(words: string): TemplateResult {
    return this.copyable(`${this.session.program ?? "clawdbot"} ${words}`);
  }

  private copyable(text: string): TemplateResult {
    const done = this.copied === text;
    return html`<p class="command">
      <code>${text}</code>
      <button type="button" class="link" aria-live="polite" @click=${() => void this.copy(text)}>
        ${this.t(done ? "action.copied" : "action.copy")}
      </button>
    </p>`;
  }

  private async copy(text: string): Promise<void> {
    if (await copyText(text)) this.copied = text;
  }

  private readonly again = (): void => {
    this.refused = null;
    this.onLoggedIn();
  };

  private message(wait: number): string {
    if (wait > 0) return this.t("login.limited");
    if (this.problem === "wrong")
      return this.chosen() === "token" ? this.t("login.wrongToken") : this.t("login.wrongPassword");
    return this.problem === "unreachable" ? this.t("login.unreachable") : "";
  }

  private chosen(): Mode {
    return this.mode ?? this.session.modes[0] ?? "token";
  }

  private keydown(event: KeyboardEvent): void {
    if (event.key === "Enter" && isComposingKey(event)) event.preventDefault();
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const field = this.querySelector<HTMLInputElement>("#secret");
    if (!field || this.busy || field.value === "") return;
    this.busy = true;
    this.problem = null;
    const result = await logIn(this.auth, this.chosen(), this.chosen() === "token" ? field.value.trim() : field.value);
    this.busy = false;
    if (result.ok) {
      field.value = "";
      this.onLoggedIn();
      return;
    }
    if (result.reason === "refused") {
      this.refused = result.refused;
      return;
    }
    if (result.reason === "limited") this.block(result.retryAfterMs ?? 10_000);
    else this.problem = result.reason;
    field.focus();
    field.select();
  }

  private block(ms: number): void {
    this.blockedUntil = Date.now() + ms;
    clearInterval(this.ticker);
    this.ticker = setInterval(() => {
      if (Date.now() >= this.blockedUntil) clearInterval(this.ticker);
      this.requestUpdate();
    }, 500);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-login": ClawdbotLogin;
  }
}
