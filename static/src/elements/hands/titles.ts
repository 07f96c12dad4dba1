/** What a question is about, in one line. */
import type { HandsRequest, Preview } from "../../protocol/hands.js";

import type { Ui } from "../base/ui-context.js";
import { nameOf } from "./plain.js";

export function questionTitle({ t }: Ui, request: HandsRequest, preview: Preview | null): string {
  switch (preview?.type) {
    case "edit":
      return t(preview.creates ? "hands.ask.create" : "hands.ask.edit", {
        count: preview.cells.length,
        name: nameOf(preview.path),
      });
    case "run":
      if (preview.restarts) return t("hands.ask.restart", { name: nameOf(preview.path) });
      return t("hands.ask.run", { count: preview.cells.length, name: nameOf(preview.path) });
    case "code":
      return request.path ? t("hands.ask.codeIn", { name: nameOf(request.path) }) : t("hands.ask.code");
    case "file":
      return t((preview.before ?? null) === null ? "hands.ask.newFile" : "hands.ask.file", {
        name: nameOf(preview.path),
      });
    case "plan":
      return t("hands.ask.plan", { count: preview.operations.length });
    case undefined:
      if (request.kind === "question") return t("hands.ask.question");
      if (request.kind === "input") return t("hands.ask.input");
      return request.title && request.kind !== undefined ? request.title : t("approvals.title");
  }
}
