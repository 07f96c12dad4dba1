/** The settings as fields of a form: made from `config.schema` and `config.get`, without a page. */

/** The parts of `config.get` that the form is made of. */
export interface Snapshot {
  path: string;
  exists: boolean;
  /** The file, its secrets replaced; `null`: it cannot be read. */
  raw: string | null;
  /** The file has comments, which are not in `raw`. */
  comments?: boolean;
  parsed: Tree;
  config: Tree;
  sources: Record<string, string>;
  variables?: Record<string, string[]>;
  valid: boolean;
  issues: readonly { path: string; message: string; suggestion?: string }[];
  hash: string;
  /** Settings whose value waits for the next start. */
  restart?: string[];
}

export type Tree = Readonly<Record<string, unknown>>;

interface Property {
  type?: string;
  default?: unknown;
  enum?: readonly string[];
  minimum?: number;
  maximum?: number;
  items?: { type?: string; enum?: readonly string[]; anyOf?: unknown };
  properties?: Record<string, Property>;
  additionalProperties?: boolean | Property;
}

interface Hint {
  help?: string;
  group?: string;
  order?: number;
  sensitive?: boolean;
  by?: "client" | "owner";
  unit?: string;
  env?: string[];
  restart?: boolean;
}

/** `config.schema`. */
export interface Schema {
  schema: Property;
  uiHints: Record<string, Hint>;
}

export type Kind = "integer" | "boolean" | "string" | "choice" | "list";

export interface Field {
  name: string;
  group: string;
  help: string;
  kind: Kind;
  choices: readonly string[];
  unit: string;
  minimum: number | null;
  maximum: number | null;
  fallback: unknown;
  secret: boolean;
  /** No client changes it. */
  owner: boolean;
  restart: boolean;
  /** The value in force. */
  value: unknown;
  /** What the file has; `undefined`: nothing. */
  stored: unknown;
  source: string;
  /** The environment variable that can set it, the strongest first. */
  variable: string;
}

export const SECRET = "__REDACTED__";

export function at(tree: Tree, name: string): unknown {
  let node: unknown = tree;
  for (const part of name.split(".")) {
    if (typeof node !== "object" || node === null) return undefined;
    node = (node as Tree)[part];
  }
  return node;
}

function propertyOf(schema: Property, name: string): Property {
  let node: Property = schema;
  for (const part of name.split(".")) {
    const more = typeof node.additionalProperties === "object" ? node.additionalProperties : undefined;
    node = node.properties?.[part] ?? more ?? {};
  }
  return node;
}

/** The hint of a setting; those of a provider are kept under `*`. */
function hintOf(hints: Schema["uiHints"], name: string): Hint {
  return hints[name] ?? hints[name.replace(/^(models\.providers\.)[^.]+/, "$1*")] ?? {};
}

/** Every setting that the gateway has, in its order. */
export function fieldsOf({ schema, uiHints }: Schema, snapshot: Snapshot): Field[] {
  return Object.keys(snapshot.sources).map((name) => {
    const property = propertyOf(schema, name);
    const hint = hintOf(uiHints, name);
    return {
      name,
      group: hint.group ?? name.split(".")[0] ?? "",
      help: hint.help ?? "",
      kind: kindOf(property),
      choices: property.enum ?? property.items?.enum ?? [],
      unit: hint.unit ?? "",
      minimum: property.minimum ?? null,
      maximum: property.maximum ?? null,
      fallback: property.default,
      secret: hint.sensitive === true,
      owner: hint.by === "owner",
      restart: hint.restart === true,
      value: at(snapshot.config, name),
      stored: at(snapshot.parsed, name),
      source: snapshot.sources[name] ?? "default",
      variable: snapshot.variables?.[name]?.[0] ?? hint.env?.[0] ?? "",
    };
  });
}

function kindOf({ type, enum: choices }: Property): Kind {
  if (type === "array") return "list";
  if (choices) return "choice";
  return type === "integer" || type === "boolean" ? type : "string";
}

/** The fields that a search finds: every word is in the name, the help or the value. */
export function found(fields: readonly Field[], query: string): Field[] {
  const words = query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  return fields.filter(({ name, help, value, secret }) => {
    const text = `${name} ${help} ${secret ? "" : textOf(value)}`.toLocaleLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** A value as its field has it: a list has one item a line. An item that is no text stays JSON. */
export function textOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return value.map(itemText).join("\n");
  return typeof value === "string" ? value : JSON.stringify(value);
}

function itemText(item: unknown): string {
  return typeof item === "string" ? item : JSON.stringify(item);
}

export type Checked = { value: unknown } | { problem: "integer" | "range"; suggestion: string };

/** The value that a field's text stands for, or what is wrong with it beside the nearest right one. */
export function check(field: Field, text: string): Checked {
  if (field.kind === "boolean") return { value: text === "true" };
  if (field.kind === "list") return { value: lines(text) };
  if (field.kind !== "integer") return { value: text };
  const plain = text.trim().replace(/(?<=\d)[ ,_.\u00a0\u202f](?=\d{3})/g, "");
  if (!/^[+-]?\d{1,15}$/.test(plain)) return { problem: "integer", suggestion: nearestInteger(field, plain) };
  const value = Number(plain);
  const near = clamp(field, value);
  return near === value ? { value } : { problem: "range", suggestion: String(near) };
}

function nearestInteger(field: Field, text: string): string {
  const number = Number.parseFloat(text);
  return Number.isFinite(number) ? String(clamp(field, Math.round(number))) : textOf(field.fallback);
}

function clamp({ minimum, maximum }: Field, value: number): number {
  return Math.min(maximum ?? Infinity, Math.max(minimum ?? -Infinity, value));
}

function lines(text: string): unknown[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .map((line) => (line.startsWith("{") ? (parsed(line) ?? line) : line));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The patch for `config.patch`; `null` takes a setting out of the file. */
export function patchOf(values: ReadonlyMap<string, unknown>): Record<string, unknown> {
  const patch: Record<string, unknown> = {};
  for (const [name, value] of values) {
    const parts = name.split(".");
    const last = parts.pop() ?? name;
    let node = patch;
    for (const part of parts) node = (node[part] ??= {}) as Record<string, unknown>;
    node[last] = value;
  }
  return patch;
}

/** The command that sets it on the gateway's machine. A secret is asked for, so that it is in no history. */
export function commandOf({ name, secret, kind, value, fallback, choices }: Field): string {
  if (secret) return `clawdbot config set ${name}`;
  const shown = textOf(value === "" || value === undefined ? fallback : value);
  if (kind === "list") {
    const items = Array.isArray(value) ? value : [];
    return `clawdbot config set ${name} ${quoted(JSON.stringify(items.length > 0 ? items : [choices[0] ?? "…"]))}`;
  }
  return `clawdbot config set ${name} ${quoted(shown || "…")}`;
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./…-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
