// The extension's budget: what it adds to JupyterLab besides the server's own bundle. Exits 1 above it.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const BUDGET = 22 * 1024; // bytes, gzip
const folder = join(import.meta.dirname, "../../clawdbot_ext/_labextension/static");
const files = readdirSync(folder).filter((name) => name.endsWith(".js"));
const sizes = files.map((name) => [name, gzipSync(readFileSync(join(folder, name)), { level: 9 }).length]);
for (const [name, size] of sizes) console.log(`${(size / 1024).toFixed(1).padStart(6)} KB  ${name}`);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);
console.log(`labextension ${(total / 1024).toFixed(1)} KB of ${BUDGET / 1024} KB gzip`);
if (files.length === 0 || total > BUDGET) process.exit(1);
