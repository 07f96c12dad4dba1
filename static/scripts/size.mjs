// The bundle budgets. First what a first visit downloads (JS and CSS named by chat.html, and what those import
// statically). Then the whole Control UI without its chart library: the chunks that the chat, with all its lazy parts,
// never fetches. Other lazy parts (highlighting, math) are listed but not counted. Exits 1 above a budget.
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { gzipSync } from "node:zlib";

const BUDGET = 80 * 1024; // bytes, gzip
const CONTROL_BUDGET = 60 * 1024;
const root = join(import.meta.dirname, "../../clawdbot_ext/_static");
const gzip = (file) => gzipSync(readFileSync(join(root, file)), { level: 9 }).length;

const first = new Set();
function visit(file) {
  if (first.has(file)) return;
  first.add(file);
  if (!file.endsWith(".js")) return;
  const source = readFileSync(join(root, file), "utf8");
  for (const [, path] of source.matchAll(/(?:from|import)\s*["'](\.[^"']+\.js)["']/g)) {
    visit(normalize(join(dirname(file), path)));
  }
}
const html = readFileSync(join(root, "chat.html"), "utf8");
for (const [, path] of html.matchAll(/(?:src|href)="\.\/([^"]+\.(?:js|css))"/g)) visit(path);

// The texts of one language come too, whichever is longer.
const texts = readdirSync(join(root, "assets")).filter((file) => /^(?:en|ko)-[\w-]+\.js$/.test(file));
if (texts.length !== 2) throw new Error(`the texts of two languages, not ${texts}`);
first.add(join("assets", texts.sort((a, b) => gzip(join("assets", b)) - gzip(join("assets", a)))[0]));

const manifest = JSON.parse(readFileSync(join(root, ".vite/manifest.json"), "utf8"));
const CONTROL = "src/entry/control.ts";

/** The chunks that `from` leads to, at once or later; not by way of `but`. */
function reached(from, but, found = new Set()) {
  for (const key of from) {
    if (found.has(key) || key === but) continue;
    found.add(key);
    const { imports = [], dynamicImports = [] } = manifest[key];
    reached([...imports, ...dynamicImports], but, found);
  }
  return found;
}
const entries = Object.keys(manifest).filter((key) => manifest[key].isEntry);
const ofChat = reached(entries, CONTROL);
const control = [...reached([CONTROL])]
  .filter((key) => !ofChat.has(key) && manifest[key].name !== "chart")
  .map((key) => manifest[key].file);

const kb = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
let total = 0;
for (const file of [...first].sort()) {
  total += gzip(file);
  console.log(`first  ${kb(gzip(file)).padStart(9)}  ${file}`);
}
let controlTotal = 0;
for (const file of control.sort()) {
  controlTotal += gzip(file);
  console.log(`control ${kb(gzip(file)).padStart(8)}  ${file}`);
}
for (const file of readdirSync(root, { recursive: true }).map(String).sort()) {
  if (/\.(js|css)$/.test(file) && !first.has(file) && !control.includes(file))
    console.log(`lazy   ${kb(gzip(file)).padStart(9)}  ${file}`);
}
console.log(`first load ${kb(total)} of ${kb(BUDGET)} gzip, ${BUDGET - total} bytes left`);
console.log(
  `Control UI ${kb(controlTotal)} of ${kb(CONTROL_BUDGET)} gzip, ${CONTROL_BUDGET - controlTotal} bytes left`,
);
if (total > BUDGET || controlTotal > CONTROL_BUDGET) process.exit(1);
if (first.size === 0 || control.length < 10) throw new Error("parts of the build were not found");
