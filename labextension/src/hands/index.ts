/** The hands of the assistant in this page: the commands, and the node that is asked for them. Loaded when Lab is idle. */
import type { JupyterFrontEnd } from "@jupyterlab/application";
import { Notification } from "@jupyterlab/apputils";
import type { INotebookTracker } from "@jupyterlab/notebook";
import { WARNING_MS } from "../texts.js";
import { apply } from "./apply.js";
import type { Meta } from "./apply.js";
import { Documents } from "./documents.js";
import { HandsError } from "./errors.js";
import { History } from "./history.js";
import { Inputs } from "./input.js";
import { Kernels } from "./kernel.js";
import { Look } from "./look.js";
import { markChanged } from "./mark.js";
import type { Words } from "./mark.js";
import type { Command } from "./node.js";
import { HandsNode } from "./node.js";
import { openNotebook } from "./notebooks.js";
import type { Operation } from "./plan.js";
import { Reader } from "./read.js";
import { Runner } from "./run.js";

export function startHands(app: JupyterFrontEnd, notebooks: INotebookTracker, words: Words): HandsNode {
  const history = new History(notebooks);
  const connections = (id: string): number | undefined =>
    [...app.serviceManager.kernels.running()].find((kernel) => kernel.id === id)?.connections;
  const [reader, inputs] = [new Reader(notebooks, history, connections), new Inputs()];
  const [runner, kernels] = [new Runner(notebooks, history, inputs), new Kernels(notebooks, history)];
  const [look, documents] = [new Look(notebooks, history), new Documents(app, notebooks)];
  const commands: Record<string, Command> = {
    "notebook.list": () => reader.list(),
    "notebook.read": (parameters) => reader.read(parameters),
    "cell.output": (parameters) => reader.output(parameters),
    "notebook.apply": async ({ path, ops, meta }) => {
      const panel = await openNotebook(notebooks, path);
      if (!Array.isArray(ops)) throw new HandsError("INVALID_REQUEST", "ops is a list");
      const given: Meta = meta ?? {};
      const changes = apply(panel, ops as Operation[], given);
      if (given.runId) markChanged(panel, changes, given.runId, words);
      return { changes, dirty: panel.context.model.dirty };
    },
    "notebook.create": (parameters) => documents.create(parameters),
    "notebook.delete": (parameters) => documents.delete(parameters),
    "notebook.save": (parameters) => documents.save(parameters),
    "notebook.reveal": (parameters) => documents.reveal(parameters),
    "notebook.run": (parameters, call) => runner.run(parameters, call),
    "notebook.interrupt": (parameters) => kernels.interrupt(parameters),
    "kernel.restart": (parameters) => kernels.restart(parameters),
    "kernel.input": ({ requestId, value }) => {
      inputs.answer(requestId, value);
      return { ok: true };
    },
    "kernel.execute": (parameters, call) => kernels.execute(parameters, call),
    "kernel.variables": (parameters) => look.variables(parameters),
    "kernel.inspect": (parameters) => look.inspect(parameters),
    "kernel.docs": (parameters) => look.docs(parameters),
    "kernel.packages": (parameters) => look.packages(parameters),
    "kernel.try": (parameters) => look.tryCode(parameters),
  };
  // "Show" beside a cell in a chat of this page.
  document.addEventListener("clawdbot-reveal", (event) => {
    const { path, cell } = (event as CustomEvent<{ path: string; cell: string }>).detail;
    documents.reveal({ path, cell }).catch(() => {
      Notification.warning(words.text("The cell is no longer there."), { autoClose: WARNING_MS });
    });
  });
  document.documentElement.dataset.clawdbotReveal = "";
  const node = new HandsNode({ version: app.version, displayName: app.name, commands });
  node.start();
  return node;
}
