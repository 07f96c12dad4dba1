// The extension's budgets. First what it adds to JupyterLab besides the server's own bundle; then the assistant's hands,
// which are loaded when Lab has nothing to do; then the copies of Lab's packages that only a host without them loads
// (`"bundled": true` in package.json; Notebook 7 has no launcher). Exits 1 above any of them.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const BUDGETS = { lab: 25 * 1024, hands: 24 * 1024, copy: 10 * 1024 }; // bytes, gzip

const { jupyterlab } = JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8"));
const shared = Object.entries(jupyterlab.sharedPackages);
const bundled = shared.filter(([, settings]) => settings.bundled).map(([name]) => name);
const folder = join(import.meta.dirname, "../../clawdbot_ext/_labextension/static");
const files = readdirSync(folder).filter((name) => name.endsWith(".js"));

const totals = { lab: 0, hands: 0, copy: 0 };
for (const name of files) {
  const text = readFileSync(join(folder, name));
  const size = gzipSync(text, { level: 9 }).length;
  totals[kindOf(text)] += size;
  console.log(`${kindOf(text).padEnd(5)} ${kb(size).padStart(8)}  ${name}`);
}
const told = Object.entries(totals).map(([kind, size]) => `${kind} ${kb(size)} of ${kb(BUDGETS[kind])}`);
console.log(`labextension: ${told.join(", ")} gzip`);
if (Object.entries(totals).some(([kind, size]) => size === 0 || size > BUDGETS[kind])) process.exit(1);

/** A package's own chunk makes its tokens, ours only import them. The node's chunk has the node's name in it. */
function kindOf(text) {
  if (bundled.some((each) => text.includes(`Token("${each}:`))) return "copy";
  return text.includes("jupyterlab-hands") ? "hands" : "lab";
}

function kb(bytes) {
  return `${(bytes / 1024).toFixed(1)} KB`;
}
