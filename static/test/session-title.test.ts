import { beforeAll, expect, test } from "vitest";

import { titleOf } from "../src/elements/sessions/title.js";
import { loadTexts, translator } from "../src/i18n/index.js";
import cases from "./session-titles.json";

beforeAll(() => Promise.all([loadTexts("en"), loadTexts("ko")]));

test.each(cases)("the title of $entry, $key", ({ entry, key, en, ko }) => {
  const titles = (["en", "ko"] as const).map((locale) =>
    titleOf(entry ?? undefined, key, "agent:main:home", translator(locale)),
  );
  expect(titles).toEqual([en, ko]);
});
