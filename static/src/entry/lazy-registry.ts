/** The elements that are fetched at their first use, and the chunk of each. See `elements/base/lazy.ts`. */
import type { LazyTag, Loader } from "../elements/base/lazy.js";

export const LAZY_ELEMENTS = {
  "clawdbot-contexts": async () => (await import("../elements/composer/notebook-context.js")).ClawdbotContexts,
  "clawdbot-prompts": async () => (await import("../elements/composer/prompts.js")).ClawdbotPrompts,
  "clawdbot-long-draft": async () => (await import("../elements/composer/long-draft.js")).ClawdbotLongDraft,
  "clawdbot-login": async () => (await import("../elements/chat/login.js")).ClawdbotLogin,
  "clawdbot-search-hits": async () => (await import("../elements/sessions/search-hits.js")).ClawdbotSearchHits,
  "clawdbot-session-dialogs": async () =>
    (await import("../elements/sessions/session-dialogs.js")).ClawdbotSessionDialogs,
  "clawdbot-settings": async () => (await import("../elements/settings/settings.js")).ClawdbotSettings,
  "clawdbot-context-use": async () => (await import("../elements/chat/context-use.js")).ClawdbotContextUse,
  "clawdbot-usage": async () => (await import("../elements/transcript/usage.js")).ClawdbotUsage,
  "clawdbot-setup": async () => (await import("../elements/chat/provider-setup.js")).ClawdbotSetup,
  "clawdbot-session-menu": async () => (await import("../elements/sessions/session-menu.js")).ClawdbotSessionMenu,
  "clawdbot-model-menu": async () => (await import("../elements/sessions/model-menu.js")).ClawdbotModelMenu,
  "clawdbot-reader": async () => (await import("../elements/transcript/archived-transcript.js")).ClawdbotReader,
  "clawdbot-palette": async () => (await import("../elements/sessions/command-palette.js")).ClawdbotPalette,
  "clawdbot-shortcuts": async () => (await import("../elements/settings/shortcuts.js")).ClawdbotShortcuts,
  "clawdbot-approvals": async () => (await import("../elements/hands/approvals.js")).ClawdbotApprovals,
  "clawdbot-run-outcome": async () => (await import("../elements/hands/run-outcome.js")).ClawdbotRunOutcome,
  "clawdbot-hands-mode": async () => (await import("../elements/hands/mode.js")).ClawdbotHandsMode,
  "clawdbot-find": async () => (await import("../elements/transcript/find.js")).ClawdbotFind,
  "clawdbot-media": async () => (await import("../elements/media/media.js")).ClawdbotMedia,
  "clawdbot-tools": async () => (await import("../elements/transcript/tool-calls.js")).ClawdbotTools,
  "clawdbot-turn-menu": async () => (await import("../elements/transcript/turn-menu.js")).ClawdbotTurnMenu,
  "clawdbot-error": async () => (await import("../elements/transcript/error-card.js")).ClawdbotError,
} satisfies Partial<Record<LazyTag, Loader>>;
