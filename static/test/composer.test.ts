import { describe, expect, test, vi } from "vitest";

import { kindOf, problemOf } from "../src/state/attachment-rules.js";
import { blockOf, wireOf } from "../src/state/attachments.js";
import { attachedOf } from "../src/state/stored-attachments.js";
import type { Attached, Kept } from "../src/state/attachments.js";
import { choicesFor, commandsFor, promptsFor, wantedAt } from "../src/input/completion.js";
import { Drafts, editKey } from "../src/state/drafts.js";
import { LONG_TEXT, pastedFrom, tableFrom } from "../src/input/paste.js";
import type { Message } from "../src/protocol/types.js";
import { Recall } from "../src/input/input-history.js";
import { UploadFailed, Uploads } from "../src/state/uploads.js";
import type { MediaStore } from "../src/state/uploads.js";
import { Writing } from "../src/state/editing.js";
import { memoryStorage } from "./support/storage.js";

const PICTURE: Kept = { mediaId: "m1", name: "plot.png", mimeType: "image/png", kind: "image", size: 10 };
const BYTES: Attached = { content: "aGk=", name: "hi.txt", mimeType: "text/plain", kind: "text", size: 2 };

describe("attachments", () => {
  test.each([
    ["a.ipynb", "", "notebook"],
    ["a.png", "image/png", "image"],
    ["a.svg", "image/svg+xml", "text"],
    ["a.HEIC", "", "image"],
    ["a.m4a", "", "audio"],
    ["a.mov", "", "video"],
    ["a.csv", "application/vnd.ms-excel", "text"],
    ["a.pdf", "application/pdf", "document"],
    ["a", "", "document"],
  ])("%s (%s) is taken for %s", (name, type, kind) => {
    expect(kindOf(name, type)).toBe(kind);
  });

  test("what the gateway would refuse is told before it is sent", () => {
    const limits = { maxBytes: { image: 100 }, maxCount: 2, maxTotalBytes: 150, accept: ["image/*", ".pdf"] };
    const picture = (size: number) => ({ name: "a.png", type: "image/png", size });
    expect(problemOf(picture(100), limits, [])).toBeNull();
    expect(problemOf(picture(101), limits, [])).toEqual({ code: "too-large", size: 101, max: 100 });
    expect(problemOf(picture(90), limits, [{ size: 90 }])).toEqual({ code: "too-much", size: 180, max: 150 });
    expect(problemOf(picture(1), limits, [{ size: 1 }, { size: 1 }])).toEqual({ code: "too-many", max: 2 });
    expect(problemOf(picture(0), limits, [])).toEqual({ code: "empty" });
    expect(problemOf({ name: "A.PDF", type: "", size: 1 }, limits, [])).toBeNull();
    const hwp = { name: "a.hwp", type: "", size: 2 ** 20 + 1 };
    const listed = { accept: [".pdf"] };
    expect(problemOf(hwp, listed, [])).toEqual({ code: "wrong-type", extension: "hwp" });
    expect(problemOf({ ...hwp, size: 9 }, listed, [])).toBeNull();
    expect(problemOf(hwp, {}, [])).toBeNull();
  });

  test("have three forms on the wire, and one in the transcript", () => {
    expect(wireOf(PICTURE)).toEqual({ mediaId: "m1" });
    expect(wireOf(BYTES)).toEqual({ content: "aGk=", mimeType: "text/plain", fileName: "hi.txt", type: "file" });
    expect(blockOf(BYTES)).toEqual({ type: "file", name: "hi.txt", mimeType: "text/plain", size: 2 });
    expect(attachedOf([{ type: "text", text: "look" }, blockOf(PICTURE)])).toEqual([PICTURE]);
  });
});

describe("pasting", () => {
  const clip = (text: string, html = "", files: File[] = []) => ({
    files,
    getData: (type: string) => (type === "text/html" ? html : text),
  });

  test("cells become a Markdown table, also with a picture of them beside", () => {
    const cells = 'name\tnote\r\nA|B\t"two\nlines, ""quoted"""\r\nC\t\r\n';
    const picture = new File(["x"], "image.png", { type: "image/png" });
    expect(pastedFrom(clip(cells, "<table><tr></table>", [picture]))).toEqual({
      type: "table",
      text: '| name | note |\n| --- | --- |\n| A\\|B | two<br>lines, "quoted" |\n| C |  |',
    });
  });

  test("prose with a table in it, and tabs without one, stay as they are", () => {
    expect(pastedFrom(clip("Some words\na\tb", "<p>Some words<table>"))).toEqual({ type: "plain" });
    expect(pastedFrom(clip("if x:\n\treturn", "<table>"))).toEqual({ type: "plain" });
    expect(pastedFrom(clip("a\tb"))).toEqual({ type: "plain" });
    expect(tableFrom("one cell")).toBeNull();
  });

  test("a long text becomes an attachment, a large sheet one of cells", () => {
    expect(pastedFrom(clip("x".repeat(LONG_TEXT)))).toEqual({ type: "plain" });
    expect(pastedFrom(clip("x".repeat(LONG_TEXT + 1)))).toMatchObject({ type: "long", extension: "txt" });
    expect(pastedFrom(clip("1\t2\n".repeat(1_000), "<table>"))).toMatchObject({ type: "long", extension: "tsv" });
  });

  test("files are files", () => {
    const file = new File(["x"], "a.bin");
    expect(pastedFrom(clip("", "", [file]))).toEqual({ type: "files", files: [file] });
  });
});

describe("completion", () => {
  const commands = [
    { name: "stop" },
    { name: "status" },
    { name: "model", args: [{ name: "model", dynamic: true }] },
    { name: "models" },
    { name: "think", aliases: ["t"], args: [{ name: "level", choices: ["off", "high"] }] },
  ];
  const names = (typed: string): string[] => commandsFor(commands, typed).map(({ name }) => name);

  test("offers commands in the gateway's order, once something is typed by name, the exact one first", () => {
    expect(names("")).toEqual(["stop", "status", "model", "models", "think"]);
    expect(names("ST")).toEqual(["status", "stop"]);
    expect(names("models")).toEqual(["models"]);
    expect(names("t")).toEqual(["think"]);
    expect(names("x")).toEqual([]);
  });

  test("knows what stands before the cursor", () => {
    expect(wantedAt("/mo", 3, commands)).toEqual({ type: "command", name: "mo" });
    expect(wantedAt("/think hi", 9, commands)).toMatchObject({ type: "argument", text: "hi" });
    expect(wantedAt("/t hi", 5, commands)).toMatchObject({ type: "argument", text: "hi" });
    expect(wantedAt("/status now", 11, commands)).toBeNull();
    expect(wantedAt("/usr/bin is", 4, commands)).toEqual({ type: "command", name: "usr" });
    expect(wantedAt("say /new", 8, commands)).toBeNull();
    expect(wantedAt("me@example", 10, commands)).toBeNull();
    expect(wantedAt("see @data/tr", 12, commands)).toEqual({ type: "file", from: 4, path: "data", query: "tr" });
    expect(wantedAt("see @data/tr", 4, commands)).toBeNull();
  });

  test("goes on inside a chosen folder whose name has spaces", () => {
    const folder = { from: 4, path: "내 자료" };
    expect(wantedAt("see @내 자료/그", 11, commands, folder)).toEqual({
      type: "file",
      from: 4,
      path: "내 자료",
      query: "그",
    });
  });

  test("finds prompts by any part of their name, however it was composed", () => {
    const prompt = (name: string) => ({ id: name, name, text: name, updatedAt: 0 });
    const found = promptsFor([prompt("영어로 요약"), prompt("요약"), prompt("재요약")], "요약".normalize("NFD"));
    expect(found.map(({ name }) => name)).toEqual(["요약", "영어로 요약", "재요약"]);
    expect(choicesFor(["off", "high", "offline"], "off")).toEqual(["offline"]);
  });
});

describe("uploads", () => {
  interface Sent {
    file: File;
    progress: (fraction: number) => void;
    signal: AbortSignal;
    done: (attached: Attached) => void;
    fail: (error: UploadFailed) => void;
  }
  function desk(limits = {}): { uploads: Uploads; sent: Sent[]; changed: ReturnType<typeof vi.fn> } {
    const sent: Sent[] = [];
    const changed = vi.fn();
    const store: MediaStore = {
      limits: () => Promise.resolve(limits),
      put: (file, progress, signal) =>
        new Promise((done, fail) => {
          sent.push({ file, progress, signal, done, fail });
          signal.addEventListener("abort", () => fail(new UploadFailed({ code: "lost" })));
        }),
    };
    return { uploads: new Uploads(store, changed), sent, changed };
  }
  const file = (name: string): File => new File(["abc"], name);
  const states = ({ items }: Uploads): string[] => items.map((item) => item.state);

  test("go two at a time, in order, and are then there", async () => {
    const { uploads, sent } = desk();
    await uploads.add([file("a"), file("b"), file("c")]);
    expect(states(uploads)).toEqual(["sending", "sending", "waiting"]);
    sent[0]?.progress(0.5);
    expect(uploads.items[0]?.progress).toBe(0.5);
    sent[0]?.done(PICTURE);
    await vi.waitFor(() => expect(states(uploads)).toEqual(["ready", "sending", "sending"]));
    expect(uploads.busy).toBe(true);
    expect(uploads.attached).toEqual([PICTURE]);
  });

  test("one that failed says why, stays, and can be tried again", async () => {
    const { uploads, sent } = desk();
    await uploads.add([file("a")]);
    sent[0]?.fail(new UploadFailed({ code: "refused", message: "full", again: true }));
    await vi.waitFor(() => expect(uploads.failed[0]?.problem).toMatchObject({ message: "full" }));
    expect(uploads.busy).toBe(false);
    uploads.retry(uploads.items[0]?.id ?? 0);
    expect(states(uploads)).toEqual(["sending"]);
    sent[1]?.done(PICTURE);
    await vi.waitFor(() => expect(states(uploads)).toEqual(["ready"]));
    expect(uploads.items[0]?.problem).toBeUndefined();
  });

  test("one that is taken away is cancelled, and the next goes", async () => {
    const { uploads, sent } = desk();
    await uploads.add([file("a"), file("b"), file("c")]);
    uploads.remove(uploads.items[0]?.id ?? 0);
    expect(sent[0]?.signal.aborted).toBe(true);
    await vi.waitFor(() => expect(sent.map((each) => each.file.name)).toEqual(["a", "b", "c"]));
    expect(states(uploads)).toEqual(["sending", "sending"]);
  });

  test("what cannot go is never sent", async () => {
    const { uploads, sent } = desk({ maxBytes: { document: 2 } });
    await uploads.add([file("a")]);
    expect(uploads.failed[0]?.problem).toEqual({ code: "too-large", size: 3, max: 2 });
    expect(sent).toEqual([]);
  });
});

describe("earlier inputs", () => {
  test("are walked from the beginning of the field, and what was being written comes back", () => {
    const recall = new Recall();
    const inputs = ["third", "second", "third", "first"];
    expect(recall.step("ArrowDown", "dra", 0, inputs)).toBeUndefined();
    expect(recall.step("ArrowUp", "dra", 2, inputs)).toBeUndefined();
    expect(recall.step("ArrowUp", "dra", 0, inputs)).toBe("third");
    expect(recall.step("ArrowUp", "third", 5, inputs)).toBe("second");
    expect(recall.step("ArrowUp", "second", 6, inputs)).toBe("first");
    expect(recall.step("ArrowUp", "first", 5, inputs)).toBeUndefined();
    expect(recall.step("ArrowDown", "first", 5, inputs)).toBe("second");
    expect(recall.step("ArrowDown", "second", 6, inputs)).toBe("third");
    expect(recall.step("ArrowDown", "third", 5, inputs)).toBe("dra");
    expect(recall.step("ArrowDown", "dra", 3, inputs)).toBeUndefined();
  });
});

describe("a draft", () => {
  test("keeps where its files are across a reload, and never their bytes", () => {
    const storage = memoryStorage();
    new Drafts(storage).set("a", { text: "look", attachments: [PICTURE, BYTES] });
    expect([...storage.all.values()].join()).not.toContain("aGk=");
    expect(new Drafts(storage).get("a")).toEqual({ text: "look", attachments: [PICTURE] });
  });

  test("that could not be sent comes back, before what was begun since", () => {
    const drafts = new Drafts(memoryStorage());
    drafts.set("a", { text: "one", sendKey: "k" });
    drafts.giveBack("a", "k", "one", []);
    expect(drafts.get("a")).toEqual({ text: "one" });
    drafts.set("a", { text: "two" });
    drafts.giveBack("a", "k", "one", [PICTURE]);
    expect(drafts.get("a")).toEqual({ text: "one\n\ntwo", attachments: [PICTURE] });
  });

  test("of an edit stands beside the session's own, also after a reload", () => {
    const storage = memoryStorage();
    const begin = (): Writing => {
      const writing = new Writing(new Drafts(storage), () => "k");
      writing.open("a");
      return writing;
    };
    const writing = begin();
    writing.save("my own");
    const message: Message = {
      id: "m7",
      seq: 1,
      role: "user",
      content: [{ type: "text", text: "old" }, blockOf(PICTURE)],
      timestamp: 0,
    };
    writing.beginEdit(message, attachedOf(message.content));
    expect(writing.draft).toEqual({ text: "old", attachments: [PICTURE], messageId: "m7" });
    writing.save("");
    const again = begin();
    expect(again.editing?.messageId).toBe("m7");
    expect(again.draft).toMatchObject({ text: "", attachments: [PICTURE] });
    again.endEdit();
    expect(again.draft).toEqual({ text: "my own" });
    expect(new Drafts(storage).get(editKey("a"))).toEqual({ text: "" });
  });

  test("learns of files that arrive after another session was opened", () => {
    const drafts = new Drafts(memoryStorage());
    const writing = new Writing(drafts, () => "k");
    writing.open("a");
    writing.save("look");
    const store: MediaStore = { limits: () => Promise.resolve({}), put: () => Promise.resolve(PICTURE) };
    const files = writing.withFiles((key) => new Uploads(store, () => writing.saveFiles(key)));
    writing.open("b");
    files.restore([PICTURE]);
    expect(drafts.get("a")).toEqual({ text: "look", attachments: [PICTURE] });
    expect(writing.attached).toEqual([]);
  });

  test("of the next message has none of the files of the one on its way", () => {
    const drafts = new Drafts(memoryStorage());
    const writing = new Writing(drafts, () => "k");
    writing.open("a");
    drafts.set("a", { text: "look", attachments: [PICTURE], sendKey: "s" });
    writing.save("");
    expect(drafts.get("a").sendKey).toBe("s");
    writing.save("next");
    expect(drafts.get("a")).toEqual({ text: "next" });
  });
});
