/** Hand the person a file that the page has in memory. */

/** Long enough for a browser to have begun with the download, in milliseconds. */
const KEPT_MS = 10_000;

export function download(name: string, mediaType: string, content: BlobPart): void {
  const url = URL.createObjectURL(new Blob([content], { type: mediaType }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}

/** Have the browser fetch a file that the gateway names itself. */
export function fetchFile(address: string): void {
  const link = document.createElement("a");
  link.href = address;
  link.download = "";
  link.click();
}
