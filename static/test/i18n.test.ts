import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { addTexts, loadTexts, pickLocale, translator } from "../src/i18n/index.js";

type Texts = Record<string, string>;

/** The texts of a language: what the first paint needs, and what lazy parts bring, by file. */
function catalogue(locale: string): Map<string, Texts> {
  const root = join(import.meta.dirname, "../src/i18n");
  const files = readdirSync(root).filter((file) => file === `${locale}.json` || file.endsWith(`.${locale}.json`));
  const named = files.map((file): [string, Texts] => [
    file.replace(/\.?(?:en|ko)\.json$/, ""),
    JSON.parse(readFileSync(join(root, file), "utf8")) as Texts,
  ]);
  return new Map(named.sort(([a], [b]) => (a < b ? -1 : 1)));
}
const areas = { en: catalogue("en"), ko: catalogue("ko") };
const all = (texts: Map<string, Texts>): Texts => Object.assign({}, ...texts.values()) as Texts;
const en = all(areas.en);
const ko = all(areas.ko);

const placeholders = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

describe("the catalogues", () => {
  test("have the same keys, in the same order", () => {
    const keys = (texts: Map<string, Texts>): unknown => [...texts].map(([area, each]) => [area, Object.keys(each)]);
    expect(keys(areas.ko)).toEqual(keys(areas.en));
  });

  test("have the same placeholders", () => {
    for (const key of Object.keys(en))
      expect([key, placeholders(ko[key] ?? "")]).toEqual([key, placeholders(en[key] ?? "")]);
  });

  test("have each key in one area only", () => {
    expect(Object.keys(en).length).toBe([...areas.en.values()].flatMap((texts) => Object.keys(texts)).length);
  });

  test("have no text that is used nowhere", () => {
    const root = join(import.meta.dirname, "../src");
    const sources = readdirSync(root, { recursive: true })
      .map(String)
      .filter((file) => file.endsWith(".ts"))
      .map((file) => readFileSync(join(root, file), "utf8"))
      .join("\n");
    expect(Object.keys(en).filter((key) => !sources.includes(`"${key}"`))).toEqual([]);
  });

  test("the Korean one never puts a particle that depends on the word behind a placeholder", () => {
    for (const text of Object.values(ko))
      expect(text).not.toMatch(/\}[’'”"]?(?:을|를|은|는|이|가|과|와|으로|로)(?=[\s.,]|$)/);
  });

  test("the Korean one speaks one way: 해요", () => {
    for (const text of Object.values(ko)) expect(text).not.toMatch(/(?:니다|습니까|하라|한다)[.?]/);
  });
});

test("texts are filled, and unknown facts are left visible", async () => {
  await Promise.all([loadTexts("en"), loadTexts("ko")]);
  expect(translator("en")("transcript.new", { count: 3 })).toBe("3 new");
  addTexts({ en: { "media.pages": "{count} {count|page|pages}" }, ko: {} });
  expect([0, 1, 2].map((count) => translator("en")("media.pages", { count }))).toEqual([
    "0 pages",
    "1 page",
    "2 pages",
  ]);
  expect(translator("ko")("transcript.new")).toBe("새 메시지 {count}개");
});

test("the language is the chosen one, else the browser's first that we speak, else English", () => {
  expect(pickLocale("ko", ["en-US"])).toBe("ko");
  expect(pickLocale("", ["fr", "ko-KR", "en"])).toBe("ko");
  expect(pickLocale("", ["fr"])).toBe("en");
});
