/**
 * Clawdbot in JupyterLab and Jupyter Notebook: a chat panel that knows the notebook beside it.
 *
 * Thin on purpose: the chat is the server's own element (`embed.ts`); here is what only Lab can give it.
 */
import { ILabShell, ILayoutRestorer } from "@jupyterlab/application";
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette, IThemeManager, MainAreaWidget, Notification, WidgetTracker } from "@jupyterlab/apputils";
import { ILauncher } from "@jupyterlab/launcher";
import { INotebookTracker } from "@jupyterlab/notebook";
import { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { IStateDB } from "@jupyterlab/statedb";
import { IStatusBar } from "@jupyterlab/statusbar";
import { ITranslator } from "@jupyterlab/translation";
import { NotebookCode } from "./actions.js";
import type { ByDefault } from "./contexts.js";
import { contextSources, sourceOf } from "./contexts.js";
import { dropped } from "./drops.js";
import type { ChatElement, ChatStatus } from "./embed.js";
import { loadOnApproach, root } from "./embed.js";
import { explainIcon, fixIcon, icon } from "./icon.js";
import { hasError, NoCell } from "./notebook.js";
import { Namespace } from "./namespace.js";
import { ChatPanel } from "./panel.js";
import { selectedText, watchSelection } from "./selection.js";
import { Sessions } from "./sessions.js";
import { StatusItem } from "./status.js";
import { isKorean, texts, translated, WARNING_MS } from "./texts.js";
import { registerWidget } from "./widget.js";

const ID = "jupyter-clawdbot:plugin";

export const Commands = {
  open: "clawdbot:open",
  openTab: "clawdbot:open-tab",
  openBrowser: "clawdbot:open-browser",
  newSession: "clawdbot:new-session",
  ask: "clawdbot:ask-cell",
  explain: "clawdbot:explain-cell",
  fix: "clawdbot:fix-cell",
  askSelection: "clawdbot:ask-selection",
} as const;

/** They depend on the cell; the buttons of another cell are made anew, those of this one must be told of what it did. */
const CELL_COMMANDS = [Commands.ask, Commands.explain, Commands.fix, Commands.askSelection];

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: "Chat with Clawdbot about the notebook.",
  autoStart: true,
  optional: [
    INotebookTracker,
    ILabShell,
    ILayoutRestorer,
    ICommandPalette,
    ILauncher,
    ISettingRegistry,
    IThemeManager,
    IStatusBar,
    ITranslator,
    IStateDB,
    IRenderMimeRegistry,
  ],
  activate,
};

export default plugin;

function activate(
  app: JupyterFrontEnd,
  notebooks: INotebookTracker | null,
  labShell: ILabShell | null,
  restorer: ILayoutRestorer | null,
  palette: ICommandPalette | null,
  launcher: ILauncher | null,
  settings: ISettingRegistry | null,
  themes: IThemeManager | null,
  statusBar: IStatusBar | null,
  translator: ITranslator | null,
  state: IStateDB | null,
  rendermime: IRenderMimeRegistry | null,
): Promise<void> {
  const text = texts(translator);
  const locale = isKorean(translator) ? "ko" : "en";
  const status = new StatusItem(text, () => void app.commands.execute(Commands.open));
  const current = () => notebooks?.currentWidget ?? null;

  const selected = (): string => (notebooks?.currentWidget ? selectedText(notebooks.currentWidget) : "");

  const theme = (): "light" | "dark" => (!themes?.theme || themes.isLight(themes.theme) ? "light" : "dark");
  const panels = new Set<ChatPanel>();
  /** Chats in outputs of cells, which came by themselves. */
  const guests = new Set<ChatElement>();
  const open = (path: string): Promise<unknown> => app.commands.execute("docmanager:open", { path });
  const code = notebooks
    ? new NotebookCode(notebooks, text, open, () => {
        panels.forEach((panel) => panel.reoffer());
        for (const guest of guests)
          if (guest.isConnected) guest.codeActions = code?.actions ?? null;
          else guests.delete(guest);
      })
    : null;
  document.addEventListener("clawdbot-guest", (event) => {
    const guest = (event as CustomEvent<ChatElement>).detail;
    guest.codeActions = code?.actions ?? null;
    guests.add(guest);
  });

  async function told(work: () => void | Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof NoCell)) throw error;
      Notification.warning(text(error.message), { autoClose: WARNING_MS });
    }
  }

  // Also for those who chat in a terminal or in a tab of the browser while the notebook is open here.
  const hands = notebooks
    ? app.restored
        .then(whenIdle)
        .then(async () => (await import("./hands/index.js")).startHands(app, notebooks, { text, locale }))
    : Promise.resolve(null);

  let byDefault: ByDefault = "cell";
  const sessions = new Sessions(state);
  const namespace = new Namespace(
    () => [...panels].some((panel) => panel.isVisible),
    () => {
      for (const id of CELL_COMMANDS) if (app.commands.hasCommand(id)) app.commands.notifyCommandChanged(id);
      refresh();
    },
  );
  function makePanel(id: string): ChatPanel {
    const panel = new ChatPanel({
      id,
      text,
      locale,
      theme,
      session: () => sessions.of(id),
      isNew: () => sessions.isNew(id),
      onSession: (key) => void sessions.show(id, key),
      contexts: () => contextSources(current(), namespace.names, text, byDefault),
      codeActions: () => code?.actions ?? null,
      dropped: (drag) => dropped(drag, current(), app.serviceManager.contents, text),
      onStatus: (news: ChatStatus) => {
        status.tell(news);
        if (news.status === "idle") void hands.then((node) => node?.wake());
      },
      onShow: () => namespace.refresh(),
      onLeave: (close) => {
        if (close && id === side.id) sides[area === "left" ? "collapseLeft" : "collapseRight"]?.();
        current()?.activate();
      },
    });
    panels.add(panel);
    panel.disposed.connect(() => {
      panels.delete(panel);
      void sessions.forget(id);
    });
    return panel;
  }

  /** Notebook 7's shell has them, too, though it is no `ILabShell`. */
  const sides = app.shell as Partial<Pick<ILabShell, "collapseLeft" | "collapseRight">>;
  // -- the side panel ------------------------------------------------------------------------------------------------
  const side = makePanel("clawdbot-chat");
  let area: "left" | "right" = "right";
  function place(where: "left" | "right"): void {
    if (side.isAttached && where === area) return;
    area = where;
    app.shell.add(side, where, { rank: 1000, type: "Clawdbot" });
  }
  place("right");
  restorer?.add(side, "clawdbot-chat");
  loadOnApproach(`[data-id="${side.id}"], .clawdbot-StatusItem`);

  // -- what the chat is told of the notebook ----------------------------------------------------------------------------
  let refreshing = 0;
  function refresh(): void {
    cancelAnimationFrame(refreshing);
    refreshing = requestAnimationFrame(() => panels.forEach((panel) => panel.refresh()));
  }
  if (notebooks) {
    notebooks.currentChanged.connect((_, panel) => namespace.follow(panel?.sessionContext ?? null));
    notebooks.activeCellChanged.connect(refresh);
    notebooks.selectionChanged.connect(refresh);
    watchSelection(selected, () => {
      app.commands.notifyCommandChanged(Commands.askSelection);
      refresh();
    });
  }
  themes?.themeChanged.connect(() => panels.forEach((panel) => panel.retheme()));

  // -- commands -------------------------------------------------------------------------------------------------------
  const tabs = new WidgetTracker<MainAreaWidget<ChatPanel>>({
    namespace: "clawdbot",
  });
  const { commands } = app;
  const openBrowser = (): void => void window.open(`${root()}chat`, "_blank", "noopener");
  const hasSelection = (): boolean => selected().trim() !== "";
  const hasCell = (): boolean => Boolean(current()?.content.activeCell);

  async function about(kind: "ask" | "explain" | "fix" | "selection"): Promise<void> {
    const panel = current();
    if (!panel) return told(() => Promise.reject(new NoCell("Open a notebook first: there is no cell to work with.")));
    const source = sourceOf(kind, panel, text);
    app.shell.activateById(side.id);
    const chat = await side.element();
    const question = {
      ask: "",
      selection: "",
      explain: text("Explain what this cell does, step by step."),
      fix: text("This cell fails. Find the cause and give the corrected cell."),
    }[kind];
    const taken = await chat.compose(question, { send: question !== "", contexts: [source] });
    if (!taken)
      Notification.warning(text("The chat cannot be asked now. The Clawdbot panel says why."), {
        autoClose: WARNING_MS,
      });
    else if (question === "") chat.focusComposer();
  }

  commands.addCommand(Commands.open, {
    label: text("Open Clawdbot"),
    icon,
    execute: () => app.shell.activateById(side.id),
  });
  commands.addCommand(Commands.openTab, {
    label: (args) => text(args.isLauncher ? "Clawdbot Chat" : "Open Clawdbot in a Tab"),
    caption: text("Chat with the assistant about your notebook"),
    icon,
    // Notebook 7 has one document a page: its shell drops whatever else is added to the main area.
    isVisible: () => labShell !== null,
    execute: async (args) => {
      if (!labShell) {
        openBrowser();
        return;
      }
      const id = `clawdbot-tab-${typeof args.id === "string" ? args.id : Date.now().toString(36)}`;
      const widget = new MainAreaWidget({ content: makePanel(id) });
      widget.id = `${id}-area`;
      widget.title.icon = icon;
      widget.title.label = "Clawdbot";
      app.shell.add(widget, "main");
      await tabs.add(widget);
      app.shell.activateById(widget.id);
    },
  });
  commands.addCommand(Commands.openBrowser, {
    label: text("Open Clawdbot in the Browser"),
    execute: openBrowser,
  });
  commands.addCommand(Commands.newSession, {
    label: text("New Clawdbot Session"),
    execute: async () => {
      app.shell.activateById(side.id);
      (await side.element()).newSession();
    },
  });
  const failed = (): boolean => {
    const cell = current()?.content.activeCell;
    return cell ? hasError(cell) : false;
  };
  const cellCommands = [
    [Commands.ask, "Ask About This Cell", "ask", hasCell, icon],
    [Commands.explain, "Explain This Cell", "explain", hasCell, explainIcon],
    [Commands.fix, "Fix This Cell", "fix", failed, fixIcon],
    [Commands.askSelection, "Ask About the Selected Text", "selection", hasSelection, icon],
  ] as const;
  for (const [id, label, kind, isEnabled, drawing] of cellCommands)
    commands.addCommand(id, {
      label: text(label),
      caption: text(label),
      icon: drawing,
      isEnabled,
      // Of the buttons on a cell, that to fix it is on one that failed only.
      ...(kind === "fix" ? { isVisible: isEnabled } : {}),
      execute: () => about(kind),
    });

  for (const command of Object.values(Commands)) palette?.addItem({ command, category: "Clawdbot" });
  launcher?.add({
    command: Commands.openTab,
    args: { isLauncher: true },
    category: "Other",
    rank: 10,
  });
  if (labShell)
    void restorer?.restore(tabs, {
      command: Commands.openTab,
      args: (widget) => ({ id: widget.content.id.replace("clawdbot-tab-", "") }),
      name: (widget) => widget.content.id,
    });
  statusBar?.registerStatusItem("jupyter-clawdbot:status", {
    item: status,
    align: "right",
    rank: 900,
  });

  if (settings) {
    // Lab's server translates a schema by language packs only; the words of our own are put in here.
    settings.transform(ID, { fetch: (plugin) => ({ ...plugin, schema: translated(plugin.schema, text) }) });
    void settings.load(ID).then((loaded) => {
      const apply = (): void => {
        if (labShell) place(loaded.get("side").composite === "left" ? "left" : "right");
        byDefault = loaded.get("goesAlong").composite as ByDefault;
        refresh();
      };
      apply();
      loaded.changed.connect(apply);
    });
  }
  return registerWidget(app, rendermime, { text, locale });
}

/** Lab is there and has nothing to do. */
function whenIdle(): Promise<void> {
  return new Promise((resolve) => {
    if ("requestIdleCallback" in window) requestIdleCallback(() => resolve(), { timeout: IDLE_MS });
    else setTimeout(resolve, IDLE_MS); // Safari
  });
}

const IDLE_MS = 3_000;
