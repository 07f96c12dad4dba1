/** Printing a whole conversation: older pages are read first, and every row is drawn. */
import type { Ui } from "../base/ui-context.js";

/** The longest wait for pictures, in milliseconds. */
const PICTURES_MS = 10_000;
/** Waits for a page of messages that is on its way, and the milliseconds of each. */
const OLDER_WAITS = 40;
const OLDER_MS = 250;
/** Messages asked for at once. */
const PAGE = 1_000;

export async function printAll(ui: Ui, root: ParentNode): Promise<void> {
  const transcript = root.querySelector("clawdbot-transcript");
  if (!transcript) return;
  const { controller } = ui;
  const key = controller.state.current;
  const first = (): number | undefined => controller.state.views[key]?.messages[0]?.seq;
  for (let waits = 0; waits < OLDER_WAITS && controller.state.current === key;) {
    if (!controller.state.views[key]?.hasMore) break;
    const before = first();
    await controller.loadOlder(PAGE);
    if (first() !== before) continue;
    waits += 1; // a page is on its way already, or it failed: in the end, what is there is printed
    await new Promise((done) => setTimeout(done, OLDER_MS));
  }
  transcript.printing = true;
  try {
    await drawn(transcript);
    window.print();
  } finally {
    transcript.printing = false;
  }
}

/** Every message is there, and its pictures as far as they come in time. */
async function drawn(transcript: HTMLElementTagNameMap["clawdbot-transcript"]): Promise<void> {
  await transcript.updateComplete;
  await Promise.all([...transcript.querySelectorAll("clawdbot-message")].map((each) => each.updateComplete));
  await Promise.race([pictures(transcript), new Promise((done) => setTimeout(done, PICTURES_MS))]);
}

function pictures(root: ParentNode): Promise<unknown> {
  return Promise.allSettled(
    [...root.querySelectorAll("img")].map((image) => {
      image.loading = "eager";
      return image.decode();
    }),
  );
}
