/** Files dragged over the chat: the whole of it is the target, and says so. */

/**
 * Watch an element.
 * @param host what may be dropped on
 * @param place where the overlay is put, inside the host's root
 * @param label what the overlay says; asked each time
 * @param onFiles called with what was dropped
 * @returns ends the watching
 */
export function watchDrops(
  host: HTMLElement,
  place: Element,
  label: () => string,
  onFiles: (files: File[]) => void,
): () => void {
  const overlay = document.createElement("div");
  overlay.className = "drop-overlay";
  // Enter and leave come for every element on the way: the overlay stays until as many left as entered.
  let depth = 0;
  const show = (on: boolean): void => {
    if (!on) depth = 0;
    overlay.textContent = label();
    if (on) place.append(overlay);
    else overlay.remove();
  };
  const carries = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  const enter = (event: DragEvent): void => {
    if (!carries(event)) return;
    event.preventDefault();
    depth += 1;
    show(true);
  };
  const over = (event: DragEvent): void => {
    if (!carries(event)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
  };
  const leave = (event: DragEvent): void => {
    if (carries(event) && --depth <= 0) show(false);
  };
  const drop = (event: DragEvent): void => {
    if (!carries(event)) return;
    event.preventDefault();
    show(false);
    onFiles(droppedFiles(event.dataTransfer));
  };
  host.addEventListener("dragenter", enter);
  host.addEventListener("dragover", over);
  host.addEventListener("dragleave", leave);
  host.addEventListener("drop", drop);
  return () => {
    host.removeEventListener("dragenter", enter);
    host.removeEventListener("dragover", over);
    host.removeEventListener("dragleave", leave);
    host.removeEventListener("drop", drop);
    show(false);
  };
}

/** The files, without folders: a browser gives those as files that cannot be read. */
function droppedFiles(data: DataTransfer | null): File[] {
  return Array.from(data?.items ?? []).flatMap((item) => {
    const file = item.kind === "file" && !item.webkitGetAsEntry()?.isDirectory ? item.getAsFile() : null;
    return file ? [file] : [];
  });
}
