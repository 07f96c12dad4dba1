/** Line icons on a 24-unit grid, drawn for this page. All are decoration: the button around them has the name. */
import { svg } from "lit";
import type { TemplateResult } from "lit";

const PATHS = {
  menu: "M4 7h16M4 12h16M4 17h10",
  plus: "M12 5v14M5 12h14",
  compose: "M12 20h8M5 15.5 15.8 4.7a1.9 1.9 0 0 1 2.7 0l.8.8a1.9 1.9 0 0 1 0 2.7L8.5 19 4 20z",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.3 15.3 20 20",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  close: "M6 6l12 12M18 6 6 18",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  stop: "M7 7h10v10H7z",
  copy: "M9 9h10v11H9zM5 15V4h10",
  check: "M5 12.5l4.5 4.5L19 7.5",
  gear: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  chevron: "M9 6l6 6-6 6",
  retry: "M19 12a7 7 0 1 1-2.2-5.1M19 4v4.5h-4.5",
  warn: "M12 4 3 19.5h18zM12 10v4.5M12 17v.01",
  key: "M14.5 13.5a4.5 4.5 0 1 0-4-2.5L4 17.5V20h3v-2h2v-2h1.5l1.6-1.6c.7.3 1.5.5 2.4.1zM16 8.5v.01",
  archive: "M4 5h16v4H4zM6 9v10h12V9M10 13h4",
  eraser:
    "M8.5 19 4.6 15a1.5 1.5 0 0 1 0-2.1l8.3-8.3a1.5 1.5 0 0 1 2.1 0l4.4 4.4a1.5 1.5 0 0 1 0 2.1L11.5 19zM9 8.5l6.5 6.5M8 19h11",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.3 11v5M13.7 11v5",
  pencil: "M5 15.5 15.8 4.7a1.9 1.9 0 0 1 2.7 0l.8.8a1.9 1.9 0 0 1 0 2.7L8.5 19 4 20z",
  restart: "M5 12a7 7 0 1 0 2.2-5.1M5 4v4.5h4.5",
  download: "M12 4v11.5M7 10.5l5 5 5-5M5 20h14",
  attach: "M19 11.5l-7.2 7.2a4.6 4.6 0 0 1-6.5-6.5l7.6-7.6a3 3 0 0 1 4.3 4.3l-7.6 7.5a1.5 1.5 0 0 1-2.1-2.1l7-7",
  at: "M15.5 12a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0zM15.5 8.5v5a2.3 2.3 0 0 0 4.5 0V12a8 8 0 1 0-3.2 6.4",
  slash: "M15 5 9 19M4.5 4h15a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1z",
  expand: "M14 4h6v6M20 4l-6.5 6.5M10 20H4v-6M4 20l6.5-6.5",
  mic: "M12 4a2.5 2.5 0 0 0-2.5 2.5v5a2.5 2.5 0 0 0 5 0v-5A2.5 2.5 0 0 0 12 4zM6 11.5a6 6 0 0 0 12 0M12 17.5V21",
  pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
  fork: "M8 8h11v11H8zM5 16V5h11",
  unarchive: "M4 5h16v4H4zM6 9v10h12V9M12 17v-5M9.5 14l2.5-2.5 2.5 2.5",
  sliders: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  history: "M5 12a7 7 0 1 0 2.2-5.1M5 4v4.5h4.5M12 8.5V12l2.5 2",
  upload: "M12 16V4.5M7 9.5l5-5 5 5M5 20h14",
  ghost: "M6 20V11a6 6 0 0 1 12 0v9l-2.4-2-1.8 2-1.8-2-1.8 2-1.8-2zM9.8 11v.01M14.2 11v.01",
  bulb: "M9.5 17h5M10.3 20h3.4M8.6 14.2a5.2 5.2 0 1 1 6.8 0c-.6.5-.9 1-.9 1.8v1h-5v-1c0-.8-.3-1.3-.9-1.8z",
  quote: "M9 7H5v6h4v-2M9 7v6c0 2-1 3.5-3 4M19 7h-4v6h4v-2M19 7v6c0 2-1 3.5-3 4",
  file: "M7 3.5h7l4 4v13H7zM14 3.5v4h4",
  branch: "M7 4v7a4 4 0 0 0 4 4h6M7 11v9M14 12l3 3-3 3",
  speaker: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11",
  exit: "M14 4H5v16h9M10 12h10M16.5 8.5 20 12l-3.5 3.5",
} as const;

export type IconName = keyof typeof PATHS;

export function icon(name: IconName): TemplateResult {
  return drawn(name, PATHS[name]);
}

/** An icon of a lazy part, which brings its own line. */
export function drawn(name: string, path: string): TemplateResult {
  return svg`<svg class="icon icon-${name}" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${path}></path></svg>`;
}

/** The mark: a speech bubble that is also a claw. */
export function logo(): TemplateResult {
  return svg`<svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false"><path d="M16 3C8.3 3 2.5 8.2 2.5 15c0 3.6 1.7 6.7 4.4 8.9L6.2 29l5.4-2.6c1.4.4 2.9.6 4.4.6 7.7 0 13.5-5.2 13.5-12 0-2.4-.7-4.6-2-6.5l-6.3 6.9a1.6 1.6 0 0 1-2.5-.2 1.6 1.6 0 0 1 .1-1.9l5-6.8C21.6 4 18.9 3 16 3z"></path></svg>`;
}
