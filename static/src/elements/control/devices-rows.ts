/** What the lists of devices and nodes are made of; without a page. */
import type { PairedDevice, PairingRequest } from "../../protocol/generated.js";

/** A device or a node that waits to be let in. */
export interface Asker {
  kind: "device" | "node";
  requestId: string;
  id: string;
  name: string;
  platform: string;
  address: string;
  role: string;
  scopes: readonly string[];
  /** It was let in before. */
  repair: boolean;
  ts: number;
}

/** A row of `node.list`. */
export interface Node {
  nodeId: string;
  displayName?: string;
  platform?: string;
  version?: string;
  remoteIp?: string;
  connected: boolean;
  paired: boolean;
  caps?: string[];
  commands?: string[];
}

export interface RoleRow {
  role: string;
  scopes: readonly string[];
  /** 0: not yet. */
  usedAt: number;
  /** 0: it stands. */
  revokedAt: number;
}

/** The beginning of an id, enough to tell devices apart. */
export function shortId(id: string): string {
  return id.length > 16 ? `${id.slice(0, 12)}…` : id;
}

/** Everything that waits, the newest first. */
export function askersOf(
  devices: readonly PairingRequest[],
  nodes: readonly Readonly<Record<string, unknown>>[],
): Asker[] {
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  const rows: Asker[] = devices.map((each) => ({
    kind: "device",
    requestId: each.requestId,
    id: each.deviceId,
    name: each.displayName ?? each.clientId ?? shortId(each.deviceId),
    platform: [each.clientId, each.platform].filter(Boolean).join(" · "),
    address: each.remoteIp ?? "",
    role: each.role,
    scopes: each.scopes,
    repair: each.isRepair,
    ts: each.ts,
  }));
  for (const node of nodes)
    rows.push({
      kind: "node",
      requestId: text(node.requestId),
      id: text(node.nodeId),
      name: text(node.displayName) || shortId(text(node.nodeId)),
      platform: [text(node.platform), text(node.version)].filter(Boolean).join(" · "),
      address: text(node.remoteIp),
      role: "node",
      scopes: [],
      repair: node.isRepair === true,
      ts: typeof node.ts === "number" ? node.ts : 0,
    });
  return rows.sort((a, b) => b.ts - a.ts);
}

/** The roles of a device, those that stand first. */
export function rolesOf({ tokens }: PairedDevice): RoleRow[] {
  const number = (value: unknown): number => (typeof value === "number" ? value : 0);
  return tokens
    .map((token) => ({
      role: String(token.role),
      scopes: Array.isArray(token.scopes) ? (token.scopes as string[]) : [],
      usedAt: number(token.lastUsedAtMs),
      revokedAt: number(token.revokedAtMs),
    }))
    .sort((a, b) => Number(a.revokedAt > 0) - Number(b.revokedAt > 0));
}
