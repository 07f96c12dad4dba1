/** The parts of the tabs Config, Models, Approvals and Devices that need no page. */
import { expect, test } from "vitest";

import { rulesOf, whoOf, withoutRule } from "../src/elements/control/approvals-rules.js";
import { check, commandOf, fieldsOf, found, patchOf, textOf } from "../src/elements/control/config-fields.js";
import type { Field, Schema, Snapshot } from "../src/elements/control/config-fields.js";
import { askersOf, rolesOf } from "../src/elements/control/devices-rows.js";
import { dollars, nameFault } from "../src/elements/control/models-test.js";

const SCHEMA: Schema = {
  schema: {
    properties: {
      gateway: { properties: { port: { type: "integer", default: 18789, minimum: 0, maximum: 65535 } } },
      logging: { properties: { level: { type: "string", default: "info", enum: ["error", "warn", "info", "debug"] } } },
      models: {
        properties: {
          providers: {
            additionalProperties: {
              properties: { apiKey: { type: "string", default: "" }, models: { type: "array", items: {} } },
            },
          },
        },
      },
    },
  },
  uiHints: {
    "gateway.port": { help: "The port.", group: "gateway", by: "owner", restart: true, env: ["PORT"] },
    "logging.level": { help: "How much is logged.", group: "logging", by: "client" },
    "models.providers.*.apiKey": { help: "The key.", group: "models", by: "owner", sensitive: true },
    "models.providers.*.models": { help: "The models to offer.", group: "models", by: "client" },
  },
};
const SNAPSHOT: Snapshot = {
  path: "config.json",
  exists: true,
  raw: "{}",
  parsed: { logging: { level: "debug" } },
  config: {
    gateway: { port: 18790 },
    logging: { level: "debug" },
    models: { providers: { shop: { apiKey: "__REDACTED__", models: ["a", { id: "b" }] } } },
  },
  sources: {
    "gateway.port": "env",
    "logging.level": "file",
    "models.providers.shop.apiKey": "file",
    "models.providers.shop.models": "file",
  },
  variables: { "gateway.port": ["PORT"] },
  valid: true,
  issues: [],
  hash: "1",
};

const FIELDS = fieldsOf(SCHEMA, SNAPSHOT);

function field(name: string): Field {
  const one = FIELDS.find((each) => each.name === name);
  if (!one) throw new Error(name);
  return one;
}

test("a field knows its kind, its bounds, who changes it and where its value comes from", () => {
  expect(field("gateway.port")).toMatchObject({
    kind: "integer",
    minimum: 0,
    maximum: 65535,
    fallback: 18789,
    owner: true,
    restart: true,
    value: 18790,
    stored: undefined,
    source: "env",
    variable: "PORT",
  });
  expect(field("logging.level")).toMatchObject({ kind: "choice", stored: "debug", owner: false });
  expect(field("models.providers.shop.apiKey")).toMatchObject({ secret: true, help: "The key." });
  expect(field("models.providers.shop.models").kind).toBe("list");
});

test("a search finds names, help and values, and never looks into a secret", () => {
  expect(found(FIELDS, "PORT").map(({ name }) => name)).toEqual(["gateway.port"]);
  expect(found(FIELDS, "logged debug").map(({ name }) => name)).toEqual(["logging.level"]);
  expect(found(FIELDS, "redacted")).toEqual([]);
  expect(found(FIELDS, " ")).toHaveLength(4);
});

test.each([
  ["18,790", { value: 18790 }],
  [" 80 ", { value: 80 }],
  ["70000", { problem: "range", suggestion: "65535" }],
  ["-1", { problem: "range", suggestion: "0" }],
  ["80.4", { problem: "integer", suggestion: "80" }],
  ["high", { problem: "integer", suggestion: "18789" }],
  ["", { problem: "integer", suggestion: "18789" }],
])("the number %j is taken or refused with the nearest right one", (text, expected) => {
  expect(check(field("gateway.port"), text)).toEqual(expected);
});

test("a list is a text of lines, and back", () => {
  const list = field("models.providers.shop.models");
  expect(textOf(list.value)).toBe('a\n{"id":"b"}');
  expect(check(list, 'a\n\n {"id":"b"} \n{broken')).toEqual({ value: ["a", { id: "b" }, "{broken"] });
});

test("a patch nests the names, and takes out with null", () => {
  const values = new Map<string, unknown>([
    ["logging.level", null],
    ["media.maxBytes.image", 5],
    ["media.maxCount", 2],
  ]);
  expect(patchOf(values)).toEqual({ logging: { level: null }, media: { maxBytes: { image: 5 }, maxCount: 2 } });
});

test("the command for a terminal is quoted, and has no secret in it", () => {
  expect(commandOf(field("gateway.port"))).toBe("clawdbot config set gateway.port 18790");
  expect(commandOf(field("models.providers.shop.apiKey"))).toBe("clawdbot config set models.providers.shop.apiKey");
  expect(commandOf({ ...field("logging.level"), value: "it's; rm" })).toBe(
    "clawdbot config set logging.level 'it'\\''s; rm'",
  );
});

test("one rule is taken out and all the rest of the file stays", () => {
  const file = {
    version: 1,
    defaults: { ask: "always" },
    agents: { main: { security: "full", allowlist: [{ pattern: "ls" }, { pattern: "tool:x", lastUsedAt: 5 }, {}] } },
  };
  const [, rule] = rulesOf(file);
  expect(rule).toEqual({ agent: "main", pattern: "tool:x", usedAt: 5 });
  expect(rule && withoutRule(file, rule)).toEqual({
    ...file,
    agents: { main: { security: "full", allowlist: [{ pattern: "ls" }, {}] } },
  });
  expect(rulesOf({ agents: { odd: "text", none: {} } })).toEqual([]);
});

test.each([
  ["ann", null, "ann"],
  ["mode:edits", "approvalsTab.by.mode", "edits"],
  ["plan", "approvalsTab.by.plan", ""],
  ["team:blue", null, "team:blue"],
])("who decided: %s", (by, key, name) => {
  expect(whoOf(by)).toEqual({ key, name });
});

test("what waits is one list, the newest first; roles that stand come first", () => {
  const asked = { requestId: "d", deviceId: "a".repeat(64), publicKey: "", role: "operator", roles: [], scopes: ["x"] };
  const rows = askersOf(
    [{ ...asked, silent: false, isRepair: true, ts: 1 }],
    [{ requestId: "n", nodeId: "pi", ts: 2, displayName: 5 }],
  );
  expect(rows.map(({ kind, name, repair }) => [kind, name, repair])).toEqual([
    ["node", "pi", false],
    ["device", "aaaaaaaaaaaa…", true],
  ]);
  const device = { deviceId: "d", publicKey: "", role: "node", roles: [], scopes: [], createdAtMs: 0, approvedAtMs: 0 };
  const tokens = [
    { role: "node", revokedAtMs: 9 },
    { role: "operator", scopes: ["s"], lastUsedAtMs: 3 },
  ];
  expect(rolesOf({ ...device, tokens }).map(({ role, revokedAt, usedAt }) => [role, revokedAt, usedAt])).toEqual([
    ["operator", 0, 3],
    ["node", 9, 0],
  ]);
});

test("prices and the fields of a new provider", () => {
  expect([15, 0.1, 0.125, 2.5].map((usd) => dollars(usd, "en"))).toEqual(["$15", "$0.10", "$0.13", "$2.50"]);
  expect(nameFault("my shop", "http://x")?.field).toBe("name");
  expect(nameFault("shop", "ftp://x")?.field).toBe("baseUrl");
  expect(nameFault("shop", "http://127.0.0.1:1")).toBeNull();
});
