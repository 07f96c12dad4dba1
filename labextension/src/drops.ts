/** What is dragged inside Lab onto the chat: cells of a notebook, files of the file browser. */
import type { Cell } from "@jupyterlab/cells";
import type { Contents } from "@jupyterlab/services";
import type { NotebookPanel } from "@jupyterlab/notebook";
import type { Drag } from "@lumino/dragdrop";
import { droppedCells } from "./contexts.js";
import type { ContextSource } from "./embed.js";
import { bytesOf } from "./embed.js";
import { selectedCells } from "./notebook.js";
import { CELLS, FILES } from "./panel.js";
import type { Text } from "./texts.js";

/** The cells themselves, as the notebook drags them. */
const DRAGGED_CELLS = "internal:cells";
/** A file that is larger is not brought into the browser, in bytes; the gateway's own limits are lower. */
const MOST_BYTES = 200 * 1024 * 1024;

/** What a drop gives to the next message. */
export type Dropped = { source: ContextSource } | { files: Promise<File>[] };

/** `null` where the drop is none of ours. A file of `files` rejects with why it cannot be had, for the reader. */
export function dropped(
  drag: Drag.Event,
  notebook: NotebookPanel | null,
  contents: Contents.IManager,
  text: Text,
): Dropped | null {
  if (drag.mimeData.hasData(CELLS)) {
    if (!notebook) return null;
    const own = (drag.mimeData.getData(DRAGGED_CELLS) ?? []) as Cell[];
    const cells = own.filter((cell) => notebook.content.widgets.includes(cell));
    return { source: droppedCells(notebook, cells.length > 0 ? cells : selectedCells(notebook), text) };
  }
  if (!drag.mimeData.hasData(FILES)) return null;
  const paths = drag.mimeData.getData(FILES) as string[];
  return { files: paths.map((path) => readFile(path, contents, text)) };
}

/** A file by Jupyter's own contents API: what that does not give, is not given. */
async function readFile(path: string, contents: Contents.IManager, text: Text): Promise<File> {
  const name = path.split("/").pop() ?? path;
  try {
    const facts = await contents.get(path, { content: false });
    if (facts.type === "directory") throw new Error(text("it is a folder"));
    if ((facts.size ?? 0) > MOST_BYTES) throw new Error(text("it is too large"));
    const whole = await contents.get(path, { type: "file", format: "base64", content: true });
    return new File([bytesOf(String(whole.content))], facts.name, { type: facts.mimetype || "" });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(text("%1 could not be attached: %2", name, why), { cause: error });
  }
}
