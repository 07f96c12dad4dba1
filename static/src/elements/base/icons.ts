/** Line icons on a 24-unit grid, drawn for this page. All are decoration: the button around them has the name. */
import { svg } from "lit";
import type { TemplateResult } from "lit";

const PATHS = {
  menu: "M4 7h16M4 12h16M4 17h10",
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
  pencil: "M5 15.5 15.8 4.7a1.9 1.9 0 0 1 2.7 0l.8.8a1.9 1.9 0 0 1 0 2.7L8.5 19 4 20z",
  attach: "M19 11.5l-7.2 7.2a4.6 4.6 0 0 1-6.5-6.5l7.6-7.6a3 3 0 0 1 4.3 4.3l-7.6 7.5a1.5 1.5 0 0 1-2.1-2.1l7-7",
  at: "M15.5 12a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0zM15.5 8.5v5a2.3 2.3 0 0 0 4.5 0V12a8 8 0 1 0-3.2 6.4",
  slash: "M15 5 9 19M4.5 4h15a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1z",
  expand: "M14 4h6v6M20 4l-6.5 6.5M10 20H4v-6M4 20l6.5-6.5",
  mic: "M12 4a2.5 2.5 0 0 0-2.5 2.5v5a2.5 2.5 0 0 0 5 0v-5A2.5 2.5 0 0 0 12 4zM6 11.5a6 6 0 0 0 12 0M12 17.5V21",
  ghost: "M6 20V11a6 6 0 0 1 12 0v9l-2.4-2-1.8 2-1.8-2-1.8 2-1.8-2zM9.8 11v.01M14.2 11v.01",
  bulb: "M9.5 17h5M10.3 20h3.4M8.6 14.2a5.2 5.2 0 1 1 6.8 0c-.6.5-.9 1-.9 1.8v1h-5v-1c0-.8-.3-1.3-.9-1.8z",
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
