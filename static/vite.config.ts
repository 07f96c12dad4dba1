import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** What an element draws is written with indentation, which a browser does not need and a template literal keeps. */
const flatTemplates: Plugin = {
  name: "flat-templates",
  apply: "build",
  enforce: "pre",
  transform(code, id) {
    return /\/src\/.*\.ts$/.test(id) ? { code: code.replace(/\n[ \t]+/g, "\n"), map: null } : undefined;
  },
};

/**
 * Vite wraps each lazy import in a helper that preloads what the part needs. Here it is told to preload nothing, and
 * the styles are inlined, so all that is left to do for the helper is to import.
 */
const plainImports: Plugin = {
  name: "plain-imports",
  apply: "build",
  enforce: "post",
  transform(_code, id) {
    return id.endsWith("vite/preload-helper.js")
      ? { code: "export const __vitePreload = (load) => load();", map: null }
      : undefined;
  },
};

interface Modules {
  getModuleInfo(id: string): { importedIds: readonly string[] } | null;
}
let first: Set<string> | null = null;

/** Is a module part of the first load? All those are one chunk: cut up where lazy parts share them, they grow by 4 KB. */
function inFirstLoad(id: string, modules: Modules): boolean {
  if (!first) {
    first = new Set();
    const waiting = [`${import.meta.dirname}/src/entry/define.ts`];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (first.has(at)) continue;
      first.add(at);
      waiting.push(...(modules.getModuleInfo(at)?.importedIds ?? []));
    }
  }
  return first.has(id);
}

/**
 * The service worker with the names of the built files in it: `sw.js` beside the page. Not that of diagrams: it is large,
 * and the frame that uses it has no origin and so no worker.
 */
function serviceWorker(): Plugin {
  const fixed = ["favicon.svg", "icon-192.png", "icon-512.png", "icon-maskable-512.png", "manifest.webmanifest"];
  return {
    name: "service-worker",
    apply: "build",
    generateBundle(_, bundle) {
      const built = Object.keys(bundle).filter((file) => file.startsWith("assets/") && !file.includes("mermaid"));
      const text = readFileSync(join(import.meta.dirname, "worker.js"), "utf8");
      const files = JSON.stringify([...built.sort(), ...fixed]);
      this.emitFile({
        type: "asset",
        fileName: "sw.js",
        source: text.replace("const FILES = [];", `const FILES = ${files};`),
      });
    },
  };
}

// One build, two entries: the page (chat.html) and the element alone (embed.js). Both share the same chunks, so a page
// that loads both has one copy of Lit and DOMPurify; a second copy would fail, as a Trusted Types policy name can be
// created only once. `embed.js` keeps its name because its URL is the module's identity for notebooks and JupyterLab.
export default defineConfig({
  base: "./",
  plugins: [flatTemplates, plainImports, serviceWorker()],
  build: {
    outDir: "../clawdbot_ext/_static",
    emptyOutDir: true,
    manifest: true, // for `npm run size`
    target: "es2022",
    // Keeps `light-dark()` as it is: the themes rest on it.
    cssTarget: ["chrome123", "firefox125", "safari17.5"],
    assetsInlineLimit: 0,
    // The page names its one chunk; what a lazy part needs besides itself is small.
    modulePreload: {
      polyfill: false,
      resolveDependencies: (_name, files, { hostType }) => (hostType === "html" ? files : []),
    },
    rolldownOptions: {
      input: { chat: "chat.html", embed: "src/entry/embed.ts" },
      preserveEntrySignatures: "strict",
      output: {
        codeSplitting: {
          groups: [
            { name: (id, modules) => (inFirstLoad(id, modules) ? "core" : null) },
            { name: "chart", test: /\/node_modules\/uplot\// }, // the budget of the Control UI is without it
          ],
        },
        entryFileNames: (chunk) => (chunk.name === "embed" ? "embed.js" : "assets/[name]-[hash].js"),
      },
    },
  },
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    testTimeout: 120_000,
    restoreMocks: true,
  },
});
