/**
 * The parts of the chat that a first look does not need: each is a chunk of its own, fetched when it is first wanted.
 *
 * A part may stand in a template before it is here: it stays an empty element and wakes up when it is defined. What it
 * is given must then be a *declared* property (`static properties`): only those survive the waking up.
 */
const PARTS = {
  "clawdbot-contexts": async () => (await import("./ui/contexts.js")).ClawdbotContexts,
  "clawdbot-prompts": async () => (await import("./ui/prompts.js")).ClawdbotPrompts,
  "clawdbot-long-draft": async () => (await import("./ui/long-draft.js")).ClawdbotLongDraft,
  "clawdbot-login": async () => (await import("./ui/login.js")).ClawdbotLogin,
  "clawdbot-search-hits": async () => (await import("./ui/search-hits.js")).ClawdbotSearchHits,
  "clawdbot-session-dialogs": async () => (await import("./ui/session-dialogs.js")).ClawdbotSessionDialogs,
  "clawdbot-settings": async () => (await import("./ui/settings.js")).ClawdbotSettings,
  "clawdbot-setup": async () => (await import("./ui/setup.js")).ClawdbotSetup,
  "clawdbot-session-menu": async () => (await import("./ui/session-menu.js")).ClawdbotSessionMenu,
  "clawdbot-model-menu": async () => (await import("./ui/model-menu.js")).ClawdbotModelMenu,
  "clawdbot-reader": async () => (await import("./ui/reader.js")).ClawdbotReader,
  "clawdbot-palette": async () => (await import("./ui/palette.js")).ClawdbotPalette,
  "clawdbot-shortcuts": async () => (await import("./ui/shortcuts.js")).ClawdbotShortcuts,
  "clawdbot-approvals": async () => (await import("./ui/approvals.js")).ClawdbotApprovals,
  "clawdbot-find": async () => (await import("./ui/find.js")).ClawdbotFind,
  "clawdbot-media": async () => (await import("./ui/media.js")).ClawdbotMedia,
  "clawdbot-tools": async () => (await import("./ui/tools.js")).ClawdbotTools,
  "clawdbot-turn-menu": async () => (await import("./ui/turn-actions.js")).ClawdbotTurnMenu,
  "clawdbot-error": async () => (await import("./ui/error-card.js")).ClawdbotError,
};

export type PartName = keyof typeof PARTS;
type Parts = { [Name in PartName]: InstanceType<Awaited<ReturnType<(typeof PARTS)[Name]>>> };

declare global {
  // What `createElement` and `querySelector` give for these names.
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  interface HTMLElementTagNameMap extends Parts {}
}

const asked = new Map<PartName, Promise<boolean>>();

/** Fetch a part, once. False when it cannot be had (offline, or a newer deployment); the next call tries again. */
export function need(name: PartName): Promise<boolean> {
  let loading = asked.get(name);
  if (!loading) {
    loading = PARTS[name]().then(
      (part) => {
        if (!customElements.get(name)) customElements.define(name, part);
        return true;
      },
      () => {
        asked.delete(name);
        return false;
      },
    );
    asked.set(name, loading);
  }
  return loading;
}
