import { defineConfig } from "vitest/config";

// One build, two entries: the page (chat.html) and the element alone (embed.js). Both share the same chunks, so a page
// that loads both has one copy of Lit and DOMPurify; a second copy would fail, as a Trusted Types policy name can be
// created only once. `embed.js` keeps its name because its URL is the module's identity for notebooks and JupyterLab.
export default defineConfig({
  base: "./",
  build: {
    outDir: "../clawdbot_ext/_static",
    emptyOutDir: true,
    target: "es2022",
    // Keeps `light-dark()` as it is: the themes rest on it.
    cssTarget: ["chrome123", "firefox121", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { chat: "chat.html", embed: "src/embed.ts" },
      preserveEntrySignatures: "strict",
      output: {
        entryFileNames: (chunk) => (chunk.name === "embed" ? "embed.js" : "assets/[name]-[hash].js"),
      },
    },
  },
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    testTimeout: 5_000,
    restoreMocks: true,
  },
});
