/** The hands of the assistant in this page: the commands, and the node that is asked for them. Loaded when Lab is idle. */
import type { JupyterFrontEnd } from "@jupyterlab/application";
import type { INotebookTracker } from "@jupyterlab/notebook";
import { apply } from "./apply.js";
import { HandsError } from "./errors.js";
import { History } from "./history.js";
import type { Command } from "./node.js";
import { HandsNode } from "./node.js";
import { openNotebook } from "./notebooks.js";
import type { Operation } from "./plan.js";
import { Reader } from "./read.js";

export function startHands(app: JupyterFrontEnd, notebooks: INotebookTracker): HandsNode {
  const history = new History(notebooks);
  const connections = (id: string): number | undefined =>
    [...app.serviceManager.kernels.running()].find((kernel) => kernel.id === id)?.connections;
  const reader = new Reader(notebooks, history, connections);
  const commands: Record<string, Command> = {
    "notebook.list": () => reader.list(),
    "notebook.read": (parameters) => reader.read(parameters),
    "cell.output": (parameters) => reader.output(parameters),
    "notebook.apply": async ({ path, ops, meta }) => {
      const panel = await openNotebook(notebooks, path);
      if (!Array.isArray(ops)) throw new HandsError("INVALID", "ops is a list");
      const changes = apply(panel, ops as Operation[], meta ?? {});
      return { changes, dirty: panel.context.model.dirty };
    },
  };
  const node = new HandsNode({ version: app.version, displayName: app.name, commands });
  node.start();
  return node;
}
