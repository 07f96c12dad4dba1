// @vitest-environment jsdom
/** The choice of the default model in the Control UI. */
import { render } from "lit";
import type { TemplateResult } from "lit";
import { expect, test } from "vitest";

import type { Control } from "../src/elements/control/base/tab.js";
import { ControlModels } from "../src/elements/control/models.js";

customElements.define("clawdbot-control-models", ControlModels);

test("a default model that was refused does not stay chosen", () => {
  const tab = new ControlModels();
  tab.control = {
    ui: { t: (key: string) => key, controller: { can: () => true } },
    online: true,
  } as unknown as Control;
  const models = ["shop/a", "shop/b"].map((spec) => ({ spec, name: spec, provider: "shop" }));
  const inner = tab as unknown as { models: unknown; choice(facts: unknown): TemplateResult };
  inner.models = models;
  const facts = { providers: [], allowed: [], allowedSource: "default", configuredSource: "file" };
  const providers = { ...facts, configured: "shop/a", defaultModel: "shop/a" };
  const place = document.createElement("div");
  const draw = (): HTMLSelectElement | null => {
    render(inner.choice(providers), place);
    return place.querySelector("select");
  };
  const select = draw();
  expect(select?.value).toBe("shop/a");
  if (select) select.value = "shop/b";
  expect(draw()?.value).toBe("shop/a");
});
