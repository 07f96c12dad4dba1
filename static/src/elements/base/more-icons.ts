/** Icons that only lazy parts draw, beside those of the first view. */
import type { TemplateResult } from "lit";

import { drawn, icon as first } from "./icons.js";
import type { IconName as FirstIcon } from "./icons.js";

const PATHS = {
  plus: "M12 5v14M5 12h14",
  archive: "M4 5h16v4H4zM6 9v10h12V9M10 13h4",
  eraser:
    "M8.5 19 4.6 15a1.5 1.5 0 0 1 0-2.1l8.3-8.3a1.5 1.5 0 0 1 2.1 0l4.4 4.4a1.5 1.5 0 0 1 0 2.1L11.5 19zM9 8.5l6.5 6.5M8 19h11",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.3 11v5M13.7 11v5",
  restart: "M5 12a7 7 0 1 0 2.2-5.1M5 4v4.5h4.5",
  download: "M12 4v11.5M7 10.5l5 5 5-5M5 20h14",
  pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
  fork: "M8 8h11v11H8zM5 16V5h11",
  unarchive: "M4 5h16v4H4zM6 9v10h12V9M12 17v-5M9.5 14l2.5-2.5 2.5 2.5",
  sliders: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  history: "M5 12a7 7 0 1 0 2.2-5.1M5 4v4.5h4.5M12 8.5V12l2.5 2",
  upload: "M12 16V4.5M7 9.5l5-5 5 5M5 20h14",
  quote: "M9 7H5v6h4v-2M9 7v6c0 2-1 3.5-3 4M19 7h-4v6h4v-2M19 7v6c0 2-1 3.5-3 4",
  file: "M7 3.5h7l4 4v13H7zM14 3.5v4h4",
  branch: "M7 4v7a4 4 0 0 0 4 4h6M7 11v9M14 12l3 3-3 3",
  speaker: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11",
  source: "M9 7l-5 5 5 5M15 7l5 5-5 5",
  eye: "M2.5 12C5 7.5 8.3 5.5 12 5.5s7 2 9.5 6.5c-2.5 4.5-5.8 6.5-9.5 6.5S5 16.5 2.5 12zM14.8 12a2.8 2.8 0 1 1-5.6 0 2.8 2.8 0 0 1 5.6 0z",
  swap: "M4 8h13M13 4l4 4-4 4M20 16H7M11 12l-4 4 4 4",
  exit: "M14 4H5v16h9M10 12h10M16.5 8.5 20 12l-3.5 3.5",
} as const;

export type IconName = FirstIcon | keyof typeof PATHS;

export function icon(name: IconName): TemplateResult {
  return name in PATHS ? drawn(name, PATHS[name as keyof typeof PATHS]) : first(name as FirstIcon);
}
