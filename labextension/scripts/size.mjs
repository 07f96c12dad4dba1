// The extension's budgets. First what it adds to JupyterLab besides the server's own bundle; then the copies of Lab's
// packages that only a host without them loads (`"bundled": true` in package.json; Notebook 7 has no launcher). Exits 1
// above either.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const BUDGET = 22 * 1024; // bytes, gzip
const COPIES_BUDGET = 10 * 1024; // bytes, gzip

const { jupyterlab } = JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8"));
const shared = Object.entries(jupyterlab.sharedPackages);
const bundled = shared.filter(([, settings]) => settings.bundled).map(([name]) => name);
const folder = join(import.meta.dirname, "../../clawdbot_ext/_labextension/static");
const files = readdirSync(folder).filter((name) => name.endsWith(".js"));

let [total, copies] = [0, 0];
for (const name of files) {
  const text = readFileSync(join(folder, name));
  const size = gzipSync(text, { level: 9 }).length;
  // A package's own chunk makes its tokens; ours only import them.
  const copy = bundled.some((each) => text.includes(`Token("${each}:`));
  if (copy) copies += size;
  else total += size;
  console.log(`${copy ? "copy " : "lab  "} ${kb(size).padStart(8)}  ${name}`);
}
console.log(`labextension ${kb(total)} of ${kb(BUDGET)}, copies ${kb(copies)} of ${kb(COPIES_BUDGET)} gzip`);
if (files.length === 0 || copies === 0 || total > BUDGET || copies > COPIES_BUDGET) process.exit(1);

function kb(bytes) {
  return `${(bytes / 1024).toFixed(1)} KB`;
}
