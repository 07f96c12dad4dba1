/** Files dragged over the chat: the whole of it is the target, and says so. */
import { listen } from "../base/listeners.js";

/**
 * Watch an element.
 * @param host what may be dropped on
 * @param place where the overlay is put, inside the host's root
 * @param label what the overlay says; asked each time
 * @param onFiles called with what was dropped, and the names of folders among it
 * @returns ends the watching
 */
export function watchDrops(
  host: HTMLElement,
  place: Element,
  label: () => string,
  onFiles: (files: File[], folders: string[]) => void,
): () => void {
  const overlay = document.createElement("div");
  overlay.className = "drop-overlay";
  const show = (on: boolean): void => {
    overlay.textContent = label();
    if (on) place.append(overlay);
    else overlay.remove();
  };
  const hide = (): void => show(false);
  const escape = (event: KeyboardEvent): void => {
    if (event.key === "Escape") hide();
  };
  const carries = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  const over = (event: DragEvent): void => {
    if (!carries(event)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
    if (!overlay.isConnected) show(true);
  };
  // Leaving one element for another within is no leaving. Safari does not tell where to: the next `dragover` shows it again.
  const leave = (event: DragEvent): void => {
    if (!(event.relatedTarget instanceof Node && host.contains(event.relatedTarget))) hide();
  };
  const drop = (event: DragEvent): void => {
    if (!carries(event)) return;
    event.preventDefault();
    hide();
    const [files, folders] = dropped(event.dataTransfer);
    onFiles(files, folders);
  };
  const unlisten = listen([
    [host, "dragenter", over],
    [host, "dragover", over],
    [host, "dragleave", leave],
    [host, "drop", drop],
    // A drag that ended elsewhere, was given up or went with its window leaves no `dragleave`: then nothing is dragged
    // any more, and the pointer moves again. Where keys are told in mid-drag, Esc has ended it.
    [window, "drop", hide],
    [window, "dragend", hide],
    [window, "blur", hide],
    [window, "pointermove", hide],
    [window, "keydown", escape],
  ]);
  return () => {
    unlisten();
    hide();
  };
}

/** The files, and apart from them the folders: a browser gives those as files that cannot be read. */
function dropped(data: DataTransfer | null): [File[], string[]] {
  const files: File[] = [];
  const folders: string[] = [];
  for (const item of data?.items ?? []) {
    const file = item.kind === "file" ? item.getAsFile() : null;
    if (file && item.webkitGetAsEntry()?.isDirectory) folders.push(file.name);
    else if (file) files.push(file);
  }
  return [files, folders];
}
