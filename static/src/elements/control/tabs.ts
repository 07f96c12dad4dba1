/** The tabs of the Control UI: the address of each, the method it lives on, and the chunk it comes in. */
import type { Loader, LazyTag } from "../base/lazy.js";
import type { TextKey } from "../../i18n/index.js";
import type { MethodName } from "../../protocol/types.js";

export type TabId =
  "chat" | "overview" | "sessions" | "usage" | "models" | "approvals" | "devices" | "config" | "logs" | "debug";

export interface TabRow {
  id: TabId;
  title: TextKey;
  /** A client that may not call it does not see the tab. */
  method?: MethodName;
  /** What `policy.disabled` names when it takes the tab away. */
  feature?: string;
  /** The tab's element; absent for the chat, which is no part of the shell. */
  load?: Loader;
}

/** The chat first. */
export const TABS: readonly TabRow[] = [
  { id: "chat", title: "control.tab.chat" },
  {
    id: "overview",
    title: "control.tab.overview",
    method: "status",
    load: async () => (await import("./overview.js")).ControlOverview,
  },
  {
    id: "sessions",
    title: "control.tab.sessions",
    method: "sessions.page",
    load: async () => (await import("./sessions.js")).ControlSessions,
  },
  {
    id: "usage",
    title: "control.tab.usage",
    method: "usage.breakdown",
    load: async () => (await import("./usage.js")).ControlUsage,
  },
  {
    id: "models",
    title: "control.tab.models",
    method: "models.list",
    load: async () => (await import("./models.js")).ControlModels,
  },
  {
    id: "approvals",
    title: "control.tab.approvals",
    method: "exec.approval.list",
    load: async () => (await import("./approvals.js")).ControlApprovals,
  },
  {
    id: "devices",
    title: "control.tab.devices",
    method: "device.pair.list",
    load: async () => (await import("./devices.js")).ControlDevices,
  },
  {
    id: "config",
    title: "control.tab.config",
    method: "config.get",
    feature: "settings",
    load: async () => (await import("./config.js")).ControlConfig,
  },
  {
    id: "logs",
    title: "control.tab.logs",
    method: "logs.tail",
    load: async () => (await import("./logs.js")).ControlLogs,
  },
  {
    id: "debug",
    title: "control.tab.debug",
    method: "gateway.info",
    load: async () => (await import("./debug.js")).ControlDebug,
  },
];

export function tagOf(id: TabId): LazyTag {
  return `clawdbot-control-${id}` as LazyTag;
}

/** The table for `registerLazyElements`. */
export function loaders(): Record<string, Loader> {
  return Object.fromEntries(TABS.flatMap(({ id, load }) => (load ? [[tagOf(id), load]] : [])));
}
