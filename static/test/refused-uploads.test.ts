// @vitest-environment jsdom
/** Files that the gateway refuses, against a real HTTP server: the reason in words, the others go, and what may be tried again. */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import type { Ui } from "../src/elements/base/ui-context.js";
import { ClawdbotAttachments } from "../src/elements/composer/attachments.js";
import { mediaStore } from "../src/elements/media/media-uploader.js";
import composerEn from "../src/i18n/composer.en.json";
import composerKo from "../src/i18n/composer.ko.json";
import { addTexts, loadTexts, translator } from "../src/i18n/index.js";
import type { Locale } from "../src/i18n/index.js";
import type { Problem } from "../src/state/attachment-rules.js";
import type { Controller } from "../src/state/controller.js";
import { Uploads } from "../src/state/uploads.js";
import type { Item } from "../src/state/uploads.js";

const CORS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Headers": "*, content-type, accept-language",
  "Content-Type": "application/json",
};
const REFUSALS: Record<string, [status: number, body: object | string]> = {
  "full.csv": [
    507,
    { error: { message: "used up", hint: "세션을 삭제하세요.", details: { text: "저장 공간을 모두 썼어요." } } },
  ],
  "big.txt": [413, { error: { message: "too large", hint: "", details: { text: "파일이 너무 커요" } } }],
  "proxy.txt": [502, "<html>Bad Gateway</html>"],
};

let server: Server;
let base: string;
let languages: (string | undefined)[];
/** The name of a file of which the server takes a part only. */
let cut: string;
/** The name of a file that the server never answers to. */
let silent = "";

function answer(request: IncomingMessage, response: ServerResponse): void {
  const name = new URL(request.url ?? "", base).searchParams.get("name") ?? "";
  if (request.method === "OPTIONS") {
    response.writeHead(204, CORS).end();
    return;
  }
  languages.push(request.headers["accept-language"]);
  if (name === cut) {
    request.once("data", () => request.socket.destroy());
    return;
  }
  if (name === silent) {
    request.resume();
    return;
  }
  request.resume().on("end", () => {
    const [status, body] = REFUSALS[name] ?? [201, { mediaId: `id-${name}`, name }];
    response.writeHead(status, CORS).end(typeof body === "string" ? body : JSON.stringify(body));
  });
}

beforeAll(async () => {
  addTexts({ en: composerEn, ko: composerKo });
  await Promise.all([loadTexts("en"), loadTexts("ko")]);
  customElements.define("clawdbot-attachments", ClawdbotAttachments);
  server = createServer(answer);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function desk(): Uploads {
  languages = [];
  const controller = { can: () => false, state: { hello: null } } as unknown as Controller;
  return new Uploads(
    mediaStore(controller, base, () => "ko"),
    () => undefined,
  );
}

async function chips(locale: Locale, items: readonly Item[], uploads?: Uploads): Promise<ClawdbotAttachments> {
  const element = document.createElement("clawdbot-attachments");
  Object.assign(element, { ui: { t: translator(locale), locale, http: false } as unknown as Ui, uploads, items });
  document.body.append(element);
  await element.updateComplete;
  return element;
}

describe("a refused upload", () => {
  test("says why in the reader's language, and the other files go", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined); // jsdom tells of the connection that was cut
    const uploads = desk();
    cut = "cut.txt";
    const names = ["one.txt", "full.csv", "big.txt", "proxy.txt", "cut.txt", "two.txt"];
    await uploads.add(names.map((name) => new File(["x".repeat(name === cut ? 300_000 : 9)], name)));
    await vi.waitFor(() => expect(uploads.busy).toBe(false), { timeout: 60_000 });
    expect(uploads.items.map(({ name, state, problem }) => [name, state, problem])).toEqual([
      ["one.txt", "ready", undefined],
      ["full.csv", "failed", { code: "refused", message: "저장 공간을 모두 썼어요. 세션을 삭제하세요.", again: true }],
      ["big.txt", "failed", { code: "refused", message: "파일이 너무 커요.", again: false }],
      ["proxy.txt", "failed", { code: "refused", message: "HTTP 502", again: true }],
      ["cut.txt", "failed", { code: "lost" }],
      ["two.txt", "ready", undefined],
    ]);
    expect(uploads.attached).toMatchObject([{ mediaId: "id-one.txt" }, { mediaId: "id-two.txt" }]);
    expect(new Set(languages)).toEqual(new Set(["ko"]));

    const shown = await chips("ko", uploads.items, uploads);
    const tries = [...shown.querySelectorAll("button")].map((button) => button.ariaLabel ?? button.title);
    expect(tries.filter((label) => label.includes("다시 업로드"))).toEqual([
      "full.csv 다시 업로드",
      "proxy.txt 다시 업로드",
      "cut.txt 다시 업로드",
    ]);
    cut = "";
    shown.querySelector<HTMLButtonElement>("button[title='cut.txt 다시 업로드']")?.click();
    await vi.waitFor(() => expect(uploads.items[4]).toMatchObject({ state: "ready" }), { timeout: 60_000 });
    expect(uploads.items[4]?.problem).toBeUndefined();
    shown.remove();
  });

  test("that is never answered comes to an end, and may be tried again", async () => {
    const later = window.setTimeout.bind(window);
    const soon = vi
      .spyOn(window, "setTimeout")
      .mockImplementation(((run: () => void, ms?: number) => later(run, ms === 120_000 ? 200 : ms)) as never);
    const uploads = desk();
    silent = "silent.txt";
    await uploads.add([new File(["x"], silent)]);
    await vi.waitFor(() => expect(uploads.items[0]?.problem).toEqual({ code: "lost" }), { timeout: 60_000 });
    soon.mockRestore();
    silent = "";
    const shown = await chips("en", uploads.items, uploads);
    shown.querySelector<HTMLButtonElement>("button[title^='Upload']")?.click();
    await vi.waitFor(() => expect(uploads.items[0]).toMatchObject({ state: "ready" }), { timeout: 60_000 });
    shown.remove();
  });

  const PROBLEMS: [Problem, en: string, ko: string][] = [
    [
      { code: "too-large", size: 30 * 2 ** 20, max: 20 * 2 ** 20 },
      "The file is 30 MB; the limit for this type is 20 MB.",
      "30MB 파일이에요. 이 종류의 파일은 20MB까지 보낼 수 있어요.",
    ],
    [
      { code: "too-much", size: 30 * 2 ** 20, max: 20 * 2 ** 20 },
      "The files total 30 MB; the limit for one message is 20 MB.",
      "모두 합쳐 30MB예요. 메시지 하나에 20MB까지 보낼 수 있어요.",
    ],
    [
      { code: "too-many", max: 20 },
      "A message can have at most 20 files.",
      "메시지 하나에 파일 20개까지만 첨부할 수 있어요.",
    ],
    [{ code: "wrong-type", extension: "hwp" }, ".hwp files are not supported.", ".hwp 형식의 파일은 읽을 수 없어요."],
    [{ code: "empty" }, "The file is empty.", "빈 파일이에요."],
    [{ code: "lost" }, "The upload was interrupted.", "업로드가 끊겼어요."],
    [{ code: "refused", message: "말한 그대로", again: false }, "말한 그대로", "말한 그대로"],
  ];
  test.each(PROBLEMS)("stands on its file in words: %o", async (problem, en, ko) => {
    const item: Item = {
      ...{ id: 1, name: "표.csv", size: 3, mimeType: "text/csv", kind: "text" },
      ...{ state: "failed", progress: 0, problem },
    };
    for (const [locale, words] of [
      ["en", en],
      ["ko", ko],
    ] as const) {
      const shown = await chips(locale, [item]);
      expect(shown.querySelector(".chip-text small")?.textContent).toBe(words);
      shown.remove();
    }
  });
});
