/** What is dragged inside Lab onto the chat: cells of a notebook, files of the file browser. */
import type { Contents } from "@jupyterlab/services";
import type { NotebookPanel } from "@jupyterlab/notebook";
import type { Drag } from "@lumino/dragdrop";
import type { Attachment } from "./embed.js";
import { textFile } from "./embed.js";
import { cellFiles, selectedCells } from "./notebook.js";
import { CELLS, FILES } from "./panel.js";

/** The dropped things as files, or `null` where the drop is none of ours. */
export function droppedFiles(
  drag: Drag.Event,
  notebook: NotebookPanel | null,
  contents: Contents.IManager,
): Promise<Attachment[]> | null {
  if (drag.mimeData.hasData(CELLS))
    return Promise.resolve(notebook ? cellFiles(notebook, selectedCells(notebook)) : []);
  if (!drag.mimeData.hasData(FILES)) return null;
  const paths = drag.mimeData.getData(FILES) as string[];
  return Promise.all(paths.map((path) => readFile(path, contents)));
}

async function readFile(path: string, contents: Contents.IManager): Promise<Attachment> {
  const model = await contents.get(path, { content: true });
  const fileName = model.name;
  if (model.format === "base64")
    return {
      fileName,
      mimeType: model.mimetype,
      content: (model.content as string).replace(/\s/g, ""),
    };
  const text = model.format === "json" ? JSON.stringify(model.content) : (model.content as string);
  return textFile(
    fileName,
    text,
    model.mimetype || (model.type === "notebook" ? "application/x-ipynb+json" : "text/plain"),
  );
}
