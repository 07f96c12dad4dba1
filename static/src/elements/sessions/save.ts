/** A conversation into the person's hands, as a file. */
import { RequestRefused } from "../../client/gateway-client.js";
import type { ExportFormat } from "../../protocol/types.js";
import { exported } from "../../state/session-files.js";
import { download, fetchFile } from "../base/download.js";
import type { Ui } from "../base/ui-context.js";

/** One that is too large for a frame is fetched by the browser itself, which takes a file of any size. */
export async function saveConversation(ui: Ui, key: string, format: ExportFormat): Promise<void> {
  try {
    const file = await exported(ui.controller.client, key, format);
    download(file.filename, file.mediaType, file.content);
  } catch (error) {
    const large = error instanceof RequestRefused && error.reason === "EXPORT_TOO_LARGE";
    if (!large || !ui.http) throw error;
    fetchFile(new URL(`export?${new URLSearchParams({ key, format }).toString()}`, ui.base).href);
  }
}
