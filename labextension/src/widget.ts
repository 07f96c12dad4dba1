/**
 * `ChatWidget` of Python in an output: a plain Jupyter widget, whose chat is the server's own bundle. Nothing of a saved
 * notebook runs: until the kernel that made a widget answers, its place says how to open it.
 */
import type * as Base from "@jupyter-widgets/base";
import type { JupyterFrontEnd } from "@jupyterlab/application";
import type { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import type { IRenderMime } from "@jupyterlab/rendermime-interfaces";
import { Panel } from "@lumino/widgets";
import { loadElement, root } from "./embed.js";
import type { Text } from "./texts.js";

/** As `clawdbot_ext/notebook/widget.py` has them. The version is that of what page and kernel say to each other. */
const MODULE = "jupyter-clawdbot";
const VERSION = "1.0.0";
const OUTPUT = "application/vnd.clawdbot.chat+json";

export interface WidgetHome {
  text: Text;
  locale: string;
}

/** Tell Jupyter's widgets of the chat. Where there are none (their extension is switched off), nothing happens. */
export async function registerWidget(
  app: JupyterFrontEnd,
  rendermime: IRenderMimeRegistry | null,
  home: WidgetHome,
): Promise<void> {
  const base = await import("@jupyter-widgets/base").catch(() => null);
  const registry = base && (await app.resolveOptionalService(base.IJupyterWidgetRegistry));
  if (!base || !registry) return;
  const models = new Models();
  registry.registerWidget({ name: MODULE, version: VERSION, exports: () => classes(base, home, models) });
  // Before the view of all widgets, which of a notebook that was opened again says "model not found".
  rendermime?.addFactory(
    { safe: true, mimeTypes: [OUTPUT], createRenderer: () => new ChatOutput(models, home.text) },
    -20,
  );
}

/** The chats that a kernel has told of. */
class Models {
  private readonly known = new Map<string, Base.DOMWidgetModel>();
  private readonly waiting = new Set<() => void>();

  of(id: string): Base.DOMWidgetModel | undefined {
    return this.known.get(id);
  }

  add(model: Base.DOMWidgetModel): void {
    this.known.set(model.model_id, model);
    this.waiting.forEach((tell) => tell());
  }

  remove(model: Base.DOMWidgetModel): void {
    this.known.delete(model.model_id);
  }

  /** Have `tell` called when there is another one; what is given back ends that. */
  listen(tell: () => void): () => void {
    this.waiting.add(tell);
    return () => this.waiting.delete(tell);
  }
}

function classes(base: typeof Base, home: WidgetHome, models: Models): Base.ExportMap {
  class ChatModel extends base.DOMWidgetModel {
    override defaults() {
      return {
        ...super.defaults(),
        _model_name: "ChatModel",
        _model_module: MODULE,
        _model_module_version: VERSION,
        _view_name: "ChatView",
        _view_module: MODULE,
        _view_module_version: VERSION,
        session: "main",
        height: "480px",
        view: "full",
      };
    }

    override initialize(...given: Parameters<Base.DOMWidgetModel["initialize"]>): void {
      super.initialize(...given);
      models.add(this);
    }

    override close(closed?: boolean): Promise<void> {
      models.remove(this);
      return super.close(closed);
    }
  }

  class ChatView extends base.DOMWidgetView {
    override render(): void {
      super.render();
      this.el.style.width = "100%";
      this.listenTo(this.model, "comm_live_update", () => this.draw());
      this.draw();
    }

    override remove(): this {
      endings.get(this)?.();
      endings.delete(this);
      return super.remove() as this;
    }

    private draw(): void {
      if (endings.has(this)) return; // it talks to the server by itself, whatever becomes of the kernel
      if (!this.model.comm_live) {
        this.el.textContent = home.text(RUN_AGAIN);
        return;
      }
      endings.set(this, () => undefined);
      this.el.textContent = "Clawdbot …";
      void this.open();
    }

    private async open(): Promise<void> {
      try {
        const embed = await loadElement().catch(() => fromKernel(this.model));
        const end = await embed.renderWidget({ model: this.model, el: this.el, base: root(), locale: home.locale });
        if (endings.has(this)) endings.set(this, end);
        else end();
      } catch {
        endings.delete(this);
        const again = document.createElement("button");
        again.textContent = home.text("Try again");
        again.addEventListener("click", () => this.draw());
        this.el.replaceChildren(home.text("The chat could not be loaded from the server."), " ", again);
      }
    }
  }
  /** How to take a chat away. (Fields of a Backbone view are set after it has begun to draw.) */
  const endings = new WeakMap<ChatView, () => void>();
  return { ChatModel, ChatView };
}

/** The bundle by way of the kernel, for a page whose server has none, as Voila's. */
function fromKernel(model: Base.WidgetModel): ReturnType<typeof loadElement> {
  return new Promise((resolve, reject) => {
    const got = (message: { kind?: string }, buffers: DataView<ArrayBuffer>[]): void => {
      const [bundle] = buffers;
      if (message.kind !== "bundle" || !bundle) return;
      model.off("msg:custom", got);
      const url = URL.createObjectURL(new Blob([bundle], { type: "text/javascript" }));
      (import(/* webpackIgnore: true */ url) as ReturnType<typeof loadElement>).then(resolve, reject);
    };
    model.on("msg:custom", got);
    model.send({ kind: "bundle" });
  });
}

/** The place of a chat in an output. */
class ChatOutput extends Panel implements IRenderMime.IRenderer {
  private unlisten: () => void = () => undefined;

  constructor(
    private readonly models: Models,
    private readonly text: Text,
  ) {
    super();
    this.addClass("clawdbot-ChatOutput");
  }

  renderModel(output: IRenderMime.IMimeModel): Promise<void> {
    const { model_id: id } = output.data[OUTPUT] as { model_id?: string };
    this.unlisten();
    const seen = (): boolean => {
      const model = this.models.of(String(id));
      if (model) void this.open(model);
      return model !== undefined;
    };
    if (!seen()) {
      this.node.textContent = this.text(RUN_AGAIN);
      this.unlisten = this.models.listen(() => {
        if (seen()) this.unlisten();
      });
    }
    return Promise.resolve();
  }

  override dispose(): void {
    this.unlisten();
    super.dispose();
  }

  private async open(model: Base.DOMWidgetModel): Promise<void> {
    const view = await model.widget_manager.create_view(model);
    if (this.isDisposed) {
      view.remove();
      return;
    }
    this.node.textContent = "";
    this.addWidget(view.luminoWidget);
  }
}

const RUN_AGAIN = "Run this cell to open the chat.";
