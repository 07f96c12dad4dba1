/** `<clawdbot-control-devices>`: who asks to be let in, the devices and nodes that were, and who is connected from where. */
import { html, nothing, unsafeCSS } from "lit";
import type { TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { addTexts } from "../../i18n/index.js";
import en from "../../i18n/control-devices.en.json";
import ko from "../../i18n/control-devices.ko.json";
import type { ConnectedClient, PairedDevice } from "../../protocol/generated.js";
import { ago, fullTime } from "../base/format.js";
import { icon } from "../base/icons.js";
import devicesText from "../styles/control-devices.css?inline";
import { badge, copyButton, empty, facts } from "./base/parts.js";
import type { Fact } from "./base/parts.js";
import type { Column } from "./base/table.js";
import { ControlTab } from "./base/tab.js";
import { askersOf, rolesOf, shortId } from "./devices-rows.js";
import type { Asker, Node, RoleRow } from "./devices-rows.js";

addTexts({ en, ko });

/** A token that was made just now, and the name of whom it is for. */
interface Fresh {
  id: string;
  name: string;
  token: string;
}

export class ControlDevices extends ControlTab {
  static override sheet = [...ControlTab.sheet, unsafeCSS(devicesText)];
  static override properties = { ...ControlTab.properties, naming: { state: true }, fresh: { state: true } };

  protected override readonly events = [
    "device.pair.requested",
    "device.pair.resolved",
    "node.pair.requested",
    "node.pair.resolved",
    "device.changed",
    "presence",
  ];

  /** The device or node whose name is being written. */
  declare private naming: string;
  declare private fresh: Fresh | null;
  private askers: readonly Asker[] = [];
  private devices: readonly PairedDevice[] = [];
  private nodes: readonly Node[] = [];
  /** Nodes that were let in as nodes, and not as devices. */
  private own: ReadonlySet<string> = new Set();
  private clients: readonly ConnectedClient[] = [];

  constructor() {
    super();
    this.naming = "";
    this.fresh = null;
  }

  protected override async load(): Promise<void> {
    const [devices, nodePairs, nodes, clients] = await Promise.all([
      this.request("device.pair.list", {}),
      this.request("node.pair.list", {}),
      this.request("node.list", {}),
      this.can("clients.list") ? this.request("clients.list", {}) : { clients: [] },
    ]);
    this.askers = askersOf(devices.pending, nodePairs.pending);
    this.devices = devices.paired;
    this.nodes = nodes.nodes as unknown as Node[];
    this.own = new Set(nodePairs.paired.map(({ nodeId }) => String(nodeId)));
    this.clients = clients.clients;
  }

  // -- drawing ------------------------------------------------------------------------------------------------------
  protected override content(): TemplateResult {
    return html`${this.requests()} ${this.freshToken()} ${this.paired()} ${this.nodeList()} ${this.connected()}`;
  }

  private requests(): TemplateResult {
    const { t, askers } = this;
    return html`<section>
      <h2>${t("devicesTab.requests")}</h2>
      <p class="sr" role="status">${t("devicesTab.requestsCount", { count: askers.length })}</p>
      ${askers.length === 0 ? html`<p class="fine">${t("devicesTab.noRequests")}</p>` : nothing}
      <div class="control-grid">
        ${repeat(
          askers,
          ({ requestId }) => requestId,
          (each) => this.asking(each),
        )}
      </div>
    </section>`;
  }

  private asking(asker: Asker): TemplateResult {
    const { t, locale } = this;
    const { name, id, platform, address, role, scopes, repair, ts } = asker;
    const rows: Fact[] = [
      { label: t("devicesTab.id"), value: html`<code>${shortId(id)}</code>` },
      { label: t("devicesTab.role"), value: role },
      { label: t("control.address"), value: address || t("control.notKnown") },
      { label: t("devicesTab.runsOn"), value: platform || t("control.notKnown") },
    ];
    if (scopes.length > 0) rows.push({ label: t("devicesTab.scopes"), value: this.scopes(scopes) });
    return html`<section class="card" aria-label=${name} data-request=${asker.requestId}>
      <h3>${icon("warn")} ${name} ${repair ? badge(t("devicesTab.again"), "warn") : nothing}</h3>
      ${facts(rows)}
      <p class="fine">${t("control.asked", { ago: ago(ts, Date.now(), locale) })}</p>
      <div class="card-actions">
        <button
          type="button"
          class="button primary"
          aria-label=${t("devicesTab.approveNamed", { name })}
          ?disabled=${!this.online}
          @click=${() => void this.approve(asker)}
        >
          ${t("devicesTab.approve")}
        </button>
        <button
          type="button"
          class="button"
          aria-label=${t("devicesTab.rejectNamed", { name })}
          ?disabled=${!this.online}
          @click=${() => void this.reject(asker)}
        >
          ${t("devicesTab.reject")}
        </button>
      </div>
    </section>`;
  }

  private scopes(scopes: readonly string[]): TemplateResult {
    return html`${scopes.map((scope) => html`<code class="devices-scope">${scope.replace("operator.", "")}</code> `)}`;
  }

  private async approve({ kind, requestId, name, id }: Asker): Promise<void> {
    const work = async (): Promise<void> => {
      if (kind === "device") await this.request("device.pair.approve", { requestId });
      else {
        const answer = await this.request("node.pair.approve", { requestId });
        const { token } = (answer.node ?? {}) as { token?: string };
        if (token) this.fresh = { id, name, token };
      }
    };
    if (await this.attempt(work())) this.control.ui.toast({ text: this.t("devicesTab.approved", { name }) });
    await this.reload();
  }

  private async reject({ kind, requestId, name }: Asker): Promise<void> {
    const method = kind === "device" ? "device.pair.reject" : "node.pair.reject";
    if (await this.attempt(this.request(method, { requestId })))
      this.control.ui.toast({ text: this.t("devicesTab.rejected", { name }) });
    await this.reload();
  }

  /** A token is told once, here, to the person who made it. */
  private freshToken(): TemplateResult | typeof nothing {
    const { t, fresh } = this;
    if (!fresh) return nothing;
    return html`<section class="card devices-token" role="alert">
      <p>${icon("key")} ${t("devicesTab.tokenOnce", { name: fresh.name })}</p>
      <p>
        <code>${fresh.token}</code>
        ${copyButton(this.control.ui, fresh.token, t("devicesTab.copyToken"))}
      </p>
      <button type="button" class="button" @click=${() => (this.fresh = null)}>${t("devicesTab.tokenDone")}</button>
    </section>`;
  }

  // -- devices ------------------------------------------------------------------------------------------------------
  private paired(): TemplateResult {
    const { t, devices } = this;
    return html`<section class="control-section">
      <h2>${t("control.tab.devices")}</h2>
      ${devices.length === 0 ? empty(t("devicesTab.noDevices")) : nothing}
      <div class="control-grid">
        ${repeat(
          devices,
          ({ deviceId }) => deviceId,
          (each) => this.device(each),
        )}
      </div>
    </section>`;
  }

  private device(device: PairedDevice): TemplateResult {
    const { t, locale } = this;
    const { deviceId, platform, remoteIp, clientId, approvedAtMs } = device;
    const name = device.displayName ?? clientId ?? shortId(deviceId);
    const here = this.clients.filter((each) => each.deviceId === deviceId);
    const rows: Fact[] = [
      { label: t("devicesTab.id"), value: html`<code title=${deviceId}>${shortId(deviceId)}</code>` },
      { label: t("devicesTab.runsOn"), value: [clientId, platform].filter(Boolean).join(" · ") || "–" },
      { label: t("control.address"), value: remoteIp ?? t("control.notKnown") },
      {
        label: t("devicesTab.letIn"),
        value: html`<time title=${fullTime(approvedAtMs, locale)}>${ago(approvedAtMs, Date.now(), locale)}</time>`,
      },
    ];
    return html`<section class="card" aria-label=${name} data-device=${deviceId}>
      ${this.heading(deviceId, name, (displayName) => this.request("device.rename", { deviceId, displayName }), [
        here.length > 0 ? badge(t("devicesTab.online"), "ok") : nothing,
        here.some(({ isSelf }) => isSelf) ? badge(t("devicesTab.thisPage")) : nothing,
      ])}
      ${facts(rows)} ${rolesOf(device).map((row) => this.grant(device, name, row))}
    </section>`;
  }

  private grant({ deviceId }: PairedDevice, name: string, row: RoleRow): TemplateResult {
    const { t, locale } = this;
    const { role, scopes, usedAt, revokedAt } = row;
    const named = { role, name };
    if (revokedAt > 0)
      return html`<p class="fine">
        ${t("devicesTab.revokedRole", { role, ago: ago(revokedAt, Date.now(), locale) })}
      </p>`;
    return html`<div class="devices-role">
      <p>
        <strong>${role}</strong> ${this.scopes(scopes)}
        <span class="fine">${usedAt > 0 ? t("control.used", { ago: ago(usedAt, Date.now(), locale) }) : nothing}</span>
      </p>
      <div class="card-actions">
        <button
          type="button"
          class="button"
          aria-label=${t("devicesTab.rotateNamed", named)}
          ?disabled=${!this.online}
          @click=${() => void this.rotate(deviceId, name, role)}
        >
          ${t("devicesTab.rotate")}
        </button>
        <button
          type="button"
          class="button"
          aria-label=${t("devicesTab.revokeNamed", named)}
          ?disabled=${!this.online}
          @click=${() => void this.revoke(deviceId, name, role)}
        >
          ${t("devicesTab.revoke")}
        </button>
      </div>
    </div>`;
  }

  private async rotate(deviceId: string, name: string, role: string): Promise<void> {
    const { t } = this;
    const sure = await this.control.confirm({
      title: t("devicesTab.rotateTitle", { name }),
      text: t("devicesTab.rotateText"),
      action: t("devicesTab.rotate"),
    });
    if (!sure) return;
    await this.attempt(
      this.request("device.token.rotate", { deviceId, role }).then(
        ({ token }) => (this.fresh = { id: deviceId, name, token }),
      ),
    );
    await this.reload();
  }

  private async revoke(deviceId: string, name: string, role: string): Promise<void> {
    const { t } = this;
    const self = this.clients.some((each) => each.isSelf && each.deviceId === deviceId && each.role === role);
    const sure = await this.control.confirm({
      title: t("devicesTab.revokeTitle", { name, role }),
      text: t(self ? "devicesTab.revokeSelf" : "devicesTab.revokeText"),
      action: t("devicesTab.revoke"),
      danger: true,
    });
    if (!sure) return;
    if (await this.attempt(this.request("device.token.revoke", { deviceId, role })))
      this.control.ui.toast({ text: t("devicesTab.revoked", { name }) });
    await this.reload();
  }

  /** The name, which becomes a field. */
  private heading(
    id: string,
    name: string,
    rename: (to: string) => Promise<unknown>,
    more: readonly unknown[],
  ): TemplateResult {
    const { t } = this;
    if (this.naming !== id)
      return html`<h3 class="devices-name">
        ${name} ${more}
        <button
          type="button"
          class="icon-button small"
          data-rename=${id}
          aria-label=${t("devicesTab.renameNamed", { name })}
          title=${t("devicesTab.rename")}
          ?disabled=${!this.online || !this.can("device.rename")}
          @click=${() => void this.startNaming(id)}
        >
          ${icon("pencil")}
        </button>
      </h3>`;
    return html`<form
      class="devices-rename"
      @submit=${(event: Event) => {
        event.preventDefault();
        void this.endNaming(id, name, rename);
      }}
      @keydown=${(event: KeyboardEvent) => {
        if (event.key === "Escape") void this.endNaming(id, name, null);
      }}
    >
      <input aria-label=${t("devicesTab.newName", { name })} maxlength="128" required .value=${name} />
      <button type="submit" class="button">${t("control.save")}</button>
    </form>`;
  }

  private async startNaming(id: string): Promise<void> {
    this.naming = id;
    await this.updateComplete;
    this.querySelector<HTMLInputElement>(".devices-rename input")?.select();
  }

  private async endNaming(
    id: string,
    before: string,
    rename: ((to: string) => Promise<unknown>) | null,
  ): Promise<void> {
    const name = this.querySelector<HTMLInputElement>(".devices-rename input")?.value.trim() ?? "";
    if (rename && name !== "" && name !== before && !(await this.attempt(rename(name)))) return;
    this.naming = "";
    if (rename) await this.reload();
    await this.updateComplete;
    this.querySelector<HTMLElement>(`[data-rename="${CSS.escape(id)}"]`)?.focus();
  }

  // -- nodes --------------------------------------------------------------------------------------------------------
  private nodeList(): TemplateResult {
    const { t, nodes } = this;
    return html`<section class="control-section">
      <h2>${t("devicesTab.nodes")}</h2>
      <p class="fine">${t("devicesTab.nodesHint")}</p>
      ${nodes.length === 0 ? empty(t("devicesTab.noNodes")) : nothing}
      <div class="control-grid">
        ${repeat(
          nodes,
          ({ nodeId }) => nodeId,
          (each) => this.node(each),
        )}
      </div>
    </section>`;
  }

  private node(node: Node): TemplateResult {
    const { t } = this;
    const { nodeId, platform, version, remoteIp, connected, paired, commands = [] } = node;
    const name = node.displayName ?? shortId(nodeId);
    const rows: Fact[] = [
      { label: t("devicesTab.id"), value: html`<code title=${nodeId}>${shortId(nodeId)}</code>` },
      { label: t("devicesTab.runsOn"), value: [platform, version].filter(Boolean).join(" · ") || "–" },
      { label: t("control.address"), value: remoteIp ?? t("control.notKnown") },
      {
        label: t("devicesTab.commands"),
        value:
          commands.length === 0
            ? "–"
            : html`<details>
                <summary>${t("devicesTab.commandsCount", { count: commands.length })}</summary>
                ${commands.map((each) => html`<code class="devices-scope">${each}</code> `)}
              </details>`,
      },
    ];
    const status = connected ? badge(t("devicesTab.online"), "ok") : badge(t("devicesTab.offline"));
    const heading = html`<h3 class="devices-name">${name} ${status}</h3>`;
    return html`<section class="card" aria-label=${name} data-node=${nodeId}>
      ${
        paired && this.own.has(nodeId)
          ? this.heading(nodeId, name, (displayName) => this.request("node.rename", { nodeId, displayName }), [status])
          : heading
      }
      ${facts(rows)}
      ${
        this.own.has(nodeId) && this.can("node.pair.remove")
          ? html`<div class="card-actions">
              <button
                type="button"
                class="button"
                aria-label=${t("devicesTab.forgetNamed", { name })}
                ?disabled=${!this.online}
                @click=${() => void this.forget(nodeId, name)}
              >
                ${t("devicesTab.forget")}
              </button>
            </div>`
          : nothing
      }
    </section>`;
  }

  private async forget(nodeId: string, name: string): Promise<void> {
    const { t } = this;
    const sure = await this.control.confirm({
      title: t("devicesTab.forgetTitle", { name }),
      text: t("devicesTab.forgetText"),
      action: t("devicesTab.forget"),
      danger: true,
    });
    if (sure && (await this.attempt(this.request("node.pair.remove", { nodeId }))))
      this.control.ui.toast({ text: t("devicesTab.revoked", { name }) });
    await this.reload();
  }

  // -- clients ------------------------------------------------------------------------------------------------------
  private connected(): TemplateResult | typeof nothing {
    const { t } = this;
    if (!this.can("clients.list")) return nothing;
    return html`<section class="control-section">
      <h2>${t("control.connected", { count: this.clients.length })}</h2>
      <clawdbot-control-table
        .t=${t}
        .caption=${t("devicesTab.clientsTable")}
        .columns=${this.columns()}
        .rows=${this.clients}
        .rowKey=${(row: ConnectedClient) => row.connId}
      ></clawdbot-control-table>
    </section>`;
  }

  private columns(): readonly Column<ConnectedClient>[] {
    const { t, locale } = this;
    return [
      {
        id: "name",
        label: t("control.client"),
        head: true,
        sort: (row) => row.displayName,
        cell: (row) => html`${row.displayName} ${row.isSelf ? badge(t("devicesTab.thisPage")) : nothing}`,
      },
      {
        id: "runs",
        label: t("devicesTab.runsOn"),
        sort: (row) => row.platform,
        cell: (row) => [row.platform, row.deviceFamily, row.modelIdentifier, row.version].filter(Boolean).join(" · "),
      },
      {
        id: "address",
        label: t("control.address"),
        sort: (row) => row.address,
        cell: (row) => html`<code>${row.address}</code>`,
      },
      {
        id: "user",
        label: t("control.login"),
        sort: (row) => row.user,
        cell: (row) => [row.user, row.via].filter(Boolean).join(" · "),
      },
      {
        id: "role",
        label: t("devicesTab.role"),
        sort: (row) => row.role,
        cell: (row) => html`${row.role} ${this.scopes(row.scopes)}`,
      },
      {
        id: "since",
        label: t("devicesTab.since"),
        sort: (row) => row.connectedAtMs,
        cell: (row) =>
          html`<time title=${fullTime(row.connectedAtMs, locale)}>${ago(row.connectedAtMs, Date.now(), locale)}</time>`,
      },
    ];
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "clawdbot-control-devices": ControlDevices;
  }
}
