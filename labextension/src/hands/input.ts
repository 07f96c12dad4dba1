/**
 * `input()` of a cell that the assistant has run: the person is asked by the gateway, in whatever window they are. Lab
 * shows its own field in the cell, too, without taking the focus; the first answer counts.
 */
import type { CodeCell } from "@jupyterlab/cells";
import { UUID } from "@lumino/coreutils";
import type { ISignal } from "@lumino/signaling";
import { HandsError } from "./errors.js";

/** Where Lab has the person type. */
type Field = CodeCell["outputArea"]["inputRequested"] extends ISignal<unknown, infer Shown> ? Shown : never;

export interface Asked {
  phase: "input" | "answered";
  requestId: string;
  prompt?: string;
  password?: boolean;
}

export class Inputs {
  private readonly waiting = new Map<string, Field>();

  /** Tell of each question of a cell; what is given back ends that. */
  watch(cell: CodeCell, tell: (asked: Asked) => void): () => void {
    const ids: string[] = [];
    const asked = (_: unknown, field: Field): void => {
      const requestId = UUID.uuid4();
      ids.push(requestId);
      this.waiting.set(requestId, field);
      const entry = entryOf(field);
      if (entry) entry.focus = () => undefined; // Lab focuses it as soon as it is there, and again when it is answered
      const prompt = field.node.querySelector("pre")?.textContent ?? "";
      tell({ phase: "input", requestId, prompt, password: entry?.type === "password" });
      void field.value.then(() => {
        this.waiting.delete(requestId);
        tell({ phase: "answered", requestId });
      });
    };
    const { outputArea } = cell;
    outputArea.inputRequested.connect(asked);
    return () => {
      for (const id of ids) this.waiting.delete(id);
      if (!outputArea.isDisposed) outputArea.inputRequested.disconnect(asked);
    };
  }

  /** @throws HandsError NOT_ASKED */
  answer(requestId: unknown, value: unknown): void {
    const field = this.waiting.get(String(requestId));
    const entry = field && entryOf(field);
    if (!field || !entry || field.isDisposed) throw new HandsError("NOT_ASKED", "the kernel does not wait for this");
    entry.value = String(value);
    // As if the person had pressed Enter there: so Lab's field goes away and the answer stands in the output.
    (field as Field & { handleEvent(event: Event): void }).handleEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  }
}

function entryOf(field: Field): HTMLInputElement | null {
  return field.node.querySelector("input");
}
