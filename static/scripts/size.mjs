// The bundle budget: what a first visit downloads (JS and CSS named by chat.html, and what those import statically).
// Lazy parts (highlighting, math) are listed but not counted. Exits 1 above the budget.
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { gzipSync } from "node:zlib";

const BUDGET = 80 * 1024; // bytes, gzip
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

const kb = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
let total = 0;
for (const file of [...first].sort()) {
  total += gzip(file);
  console.log(`first  ${kb(gzip(file)).padStart(9)}  ${file}`);
}
for (const file of readdirSync(root, { recursive: true }).map(String).sort()) {
  if (/\.(js|css)$/.test(file) && !first.has(file)) console.log(`lazy   ${kb(gzip(file)).padStart(9)}  ${file}`);
}
console.log(`first load ${kb(total)} of ${kb(BUDGET)} gzip, ${BUDGET - total} bytes left`);
if (first.size === 0 || total > BUDGET) process.exit(1);
