import { LabIcon } from "@jupyterlab/ui-components";

const BUBBLE =
  "M4 4h16a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-8l-5 4v-4H4a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2Z" +
  "m4 5.2a1.3 1.3 0 1 0 0 2.6 1.3 1.3 0 0 0 0-2.6Zm4 0a1.3 1.3 0 1 0 0 2.6 1.3 1.3 0 0 0 0-2.6Z" +
  "m4 0a1.3 1.3 0 1 0 0 2.6 1.3 1.3 0 0 0 0-2.6Z";
const BULB =
  "M12 2a7 7 0 0 0-4.4 12.4c.8.7 1.4 1.4 1.4 2.6h6c0-1.2.6-1.9 1.4-2.6A7 7 0 0 0 12 2ZM9 18.5h6V20H9Zm1.2 2.5h3.6" +
  "a1.8 1.8 0 0 1-3.6 0Z";
const WRENCH = "M21.6 6.6a6 6 0 0 1-7.9 7.3l-6.6 6.6a2.4 2.4 0 0 1-3.5-3.5l6.6-6.6a6 6 0 0 1 7.2-8l-3.4 3.5.6 3 3 .6Z";

/** In Lab's own colours. */
function drawn(name: string, path: string): LabIcon {
  const svgstr = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" d="${path}"/></svg>`;
  return new LabIcon({ name: `clawdbot:${name}`, svgstr });
}

/** The mark of the page (static/public/favicon.svg). */
export const icon = drawn("chat", BUBBLE);
export const explainIcon = drawn("explain", BULB);
export const fixIcon = drawn("fix", WRENCH);
