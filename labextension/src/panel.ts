/** A Lumino widget around `<clawdbot-chat>`. The bundle is loaded when the widget is shown first, not at Lab's start. */
import { Notification } from "@jupyterlab/apputils";
import type { Drag } from "@lumino/dragdrop";
import { SplitPanel, Widget } from "@lumino/widgets";
import type { Message } from "@lumino/messaging";
import type { Dropped } from "./drops.js";
import type { ChatElement, ChatStatus, CodeActions, ContextSource } from "./embed.js";
import { loadElement, root } from "./embed.js";
import { icon } from "./icon.js";
import type { Text } from "./texts.js";

export interface PanelOptions {
  id: string;
  text: Text;
  locale: string;
  theme: () => "light" | "dark";
  session: () => Promise<string>;
  /** True once: the first time that the panel is shown in this workspace. */
  isNew: () => Promise<boolean>;
  /** Another session is on show. */
  onSession: (key: string) => void;
  contexts: () => ContextSource[];
  codeActions: () => CodeActions | null;
  /** What was dropped from Lab (cells, files); `null` for anything else. */
  dropped: (event: Drag.Event) => Dropped | null;
  onStatus: (status: ChatStatus) => void;
  onShow: () => void;
  /** The person goes back to the notebook; `close`: and wants the panel away. */
  onLeave: (close: boolean) => void;
}

export class ChatPanel extends Widget {
  private chat: ChatElement | null = null;
  private waiting: Promise<ChatElement> | null = null;

  constructor(private readonly options: PanelOptions) {
    super();
    this.id = options.id;
    this.addClass("clawdbot-ChatPanel");
    this.title.icon = icon;
    this.title.caption = options.text("Clawdbot Chat");
    this.title.closable = options.id !== "clawdbot-chat";
    if (this.title.closable) this.title.label = "Clawdbot";
    this.node.setAttribute("aria-label", options.text("Clawdbot Chat"));
    this.node.setAttribute("role", "region");
  }

  /** The element, once the bundle is here. */
  element(): Promise<ChatElement> {
    this.waiting ??= this.load().catch((error: unknown) => {
      this.waiting = null;
      throw error;
    });
    return this.waiting;
  }

  /** What goes along, as the notebook is now. Behind another panel it waits until it is seen. */
  refresh(): void {
    if (this.chat && this.isVisible) this.chat.contexts = this.options.contexts();
  }

  /** Other things can be done with code now. */
  reoffer(): void {
    if (this.chat) this.chat.codeActions = this.options.codeActions();
  }

  retheme(): void {
    if (this.chat) this.chat.theme = this.options.theme();
  }

  override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.refresh();
    this.options.onShow();
    void this.options.isNew().then((fresh) => {
      if (fresh) this.widen();
    });
    this.element().catch(() => this.failed());
  }

  /** Take a comfortable width, where the panel stands beside others and has less. */
  widen(): void {
    let [part, split]: (Widget | null)[] = [this, this.parent];
    while (split && !(split instanceof SplitPanel && split.orientation === "horizontal"))
      [part, split] = [split, split.parent];
    if (!part || !(split instanceof SplitPanel)) return;
    const widths = split.widgets.map((each) => (each.isVisible ? each.node.offsetWidth : 0));
    const widest = Math.max(...widths);
    const [mine, giver] = [split.widgets.indexOf(part), widths.indexOf(widest)];
    const more = COMFORTABLE_PX - (widths[mine] ?? 0);
    if (more <= 0 || mine === giver || widest < 2 * COMFORTABLE_PX) return;
    split.setRelativeSizes(widths.map((width, at) => width + (at === mine ? more : at === giver ? -more : 0)));
  }

  override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this.element().then(
      (chat) => chat.focusComposer(),
      () => this.failed(),
    );
  }

  override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.node.addEventListener("keydown", this.keydown);
    for (const type of DRAG_EVENTS) this.node.addEventListener(type, this);
  }

  override onBeforeDetach(message: Message): void {
    this.node.removeEventListener("keydown", this.keydown);
    for (const type of DRAG_EVENTS) this.node.removeEventListener(type, this);
    super.onBeforeDetach(message);
  }

  /** Lab's own keys do nothing in the chat. What the chat had a use for itself does not get here. */
  private readonly keydown = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing) return;
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey;
    const [leaves, closes] = [event.key === "Escape" && !event.altKey, event.altKey && event.code === "KeyC"];
    if (!plain || !(leaves || closes)) return;
    if (leaves && this.chat?.shadowRoot?.querySelector("dialog[open], :popover-open")) return; // it closes that
    event.preventDefault();
    this.options.onLeave(closes);
  };

  /** Lumino's drags are events of its own, not the browser's. */
  handleEvent(event: Event): void {
    const drag = event as unknown as Drag.Event;
    const known = drag.mimeData.hasData(CELLS) || drag.mimeData.hasData(FILES);
    if (!known) return;
    event.preventDefault();
    event.stopPropagation();
    drag.dropAction = drag.proposedAction; // the file browser allows no other
    if (event.type === "lm-drop") void this.drop(drag);
    this.toggleClass("clawdbot-mod-dropTarget", event.type === "lm-dragenter" || event.type === "lm-dragover");
  }

  private async drop(drag: Drag.Event): Promise<void> {
    const given = this.options.dropped(drag);
    if (given === null) return;
    const read = "files" in given ? Promise.allSettled(given.files) : null; // at once: a rejection is always handled
    const chat = await this.element();
    if ("source" in given) await chat.addContext(given.source);
    for (const each of (await read) ?? [])
      if (each.status === "fulfilled") await chat.attach([each.value]);
      else Notification.warning((each.reason as Error).message, { autoClose: 8_000 });
    chat.focusComposer();
  }

  private async load(): Promise<ChatElement> {
    const [session] = await Promise.all([this.options.session(), loadElement()]);
    const chat = document.createElement("clawdbot-chat") as ChatElement;
    chat.mode = "panel";
    chat.baseUrl = root();
    chat.sessionKey = session;
    chat.locale = this.options.locale;
    chat.theme = this.options.theme();
    chat.codeActions = this.options.codeActions();
    chat.contexts = this.options.contexts();
    chat.addEventListener("clawdbot-status", (event) =>
      this.options.onStatus((event as CustomEvent<ChatStatus>).detail),
    );
    chat.addEventListener("clawdbot-session", (event) =>
      this.options.onSession((event as CustomEvent<{ key: string }>).detail.key),
    );
    this.node.replaceChildren(chat);
    this.chat = chat;
    return chat;
  }

  private failed(): void {
    const { text } = this.options;
    Notification.error(text("The chat could not be loaded from the server."), {
      autoClose: false,
      actions: [
        {
          label: text("Try again"),
          callback: () => void this.element().catch(() => this.failed()),
        },
      ],
    });
  }
}

/** Lab opens a side panel at 250 px. */
const COMFORTABLE_PX = 360;
const DRAG_EVENTS = ["lm-dragenter", "lm-dragover", "lm-dragleave", "lm-drop"] as const;
/** As JupyterLab names what it drags. */
export const CELLS = "application/vnd.jupyter.cells";
export const FILES = "application/x-jupyter-icontents";
