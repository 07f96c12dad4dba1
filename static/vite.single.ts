// The chat as one file, `single.js`: what a kernel hands to a page that cannot reach the server. Relative chunks would not
// be found from a blob's address, so everything is inside but the two largest parts, which it does without.
import { defineConfig } from "vite";

import base from "./vite.config.js";

/** Parts that are not worth their size there: code is shown plain, formulas as they were written. */
const LEFT_OUT = /\/src\/markdown\/(?:temml|languages)\.ts$/;
const PLAIN = `export const highlight = () => null;
export const texToMathml = (tex) => tex.replaceAll("&", "&amp;").replaceAll("<", "&lt;");`;

export default defineConfig({
  base: "./",
  plugins: [
    ...(base.plugins ?? []),
    {
      name: "leave-out",
      enforce: "pre",
      load: (id) => (LEFT_OUT.test(id) ? PLAIN : undefined),
    },
  ],
  build: {
    outDir: "../clawdbot_ext/_static",
    emptyOutDir: false,
    copyPublicDir: false,
    target: "es2022",
    cssTarget: ["chrome123", "firefox125", "safari17.5"],
    rolldownOptions: {
      input: { single: "src/entry/embed.ts" },
      preserveEntrySignatures: "strict",
      output: { format: "es", codeSplitting: false, entryFileNames: "single.js" },
    },
  },
});
