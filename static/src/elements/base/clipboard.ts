/**
 * Putting things on the clipboard: as text, and where it helps also as HTML, so that Word keeps headings and tables.
 * Plain http has no clipboard API, so there an old command does it.
 */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByCommand({ "text/plain": text });
  }
}

/** Copy as both: programs take what they can use. */
export async function copyRich(html: string, text: string): Promise<boolean> {
  const both = { "text/html": html, "text/plain": text };
  try {
    const blobs = Object.entries(both).map(([type, content]) => [type, new Blob([content], { type })]);
    await navigator.clipboard.write([new ClipboardItem(Object.fromEntries(blobs) as Record<string, Blob>)]);
    return true;
  } catch {
    return copyByCommand(both);
  }
}

function copyByCommand(contents: Record<string, string>): boolean {
  const area = document.createElement("textarea");
  area.value = contents["text/plain"] ?? "";
  area.className = "clawdbot-copy";
  area.style.position = "fixed";
  area.style.opacity = "0";
  const put = (event: ClipboardEvent): void => {
    for (const [type, content] of Object.entries(contents)) event.clipboardData?.setData(type, content);
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  document.addEventListener("copy", put, { capture: true, once: true });
  // Deprecated and without a successor where the page is not secure.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const done = document.execCommand("copy");
  document.removeEventListener("copy", put, { capture: true });
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return done;
}
