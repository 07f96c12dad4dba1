/**
 * The files of one draft on their way to the gateway: a small state machine per file, two at a time.
 *
 * No DOM and no network: how a file gets there is a `MediaStore`. A file that failed stays, with the reason, until it is
 * removed or tried again; nothing here ever gives up on its own.
 */
import { kindOf, problemOf } from "./attachment-rules.js";
import type { MediaLimits, Problem } from "./attachment-rules.js";
import type { Attached, Described } from "./attachments.js";

/** A file could not be stored. */
export class UploadFailed extends Error {
  constructor(readonly problem: Problem) {
    super(problem.code);
    this.name = "UploadFailed";
  }
}

export interface MediaStore {
  /** What the gateway takes. Never rejects: unknown limits are none. */
  limits(): Promise<MediaLimits>;
  /**
   * Bring a file there; `onProgress` is told the fraction.
   * @throws UploadFailed
   */
  put(file: File, onProgress: (fraction: number) => void, signal: AbortSignal): Promise<Attached>;
}

export interface Item extends Described {
  id: number;
  state: "waiting" | "sending" | "ready" | "failed";
  /** 0 to 1 while `sending`. */
  progress: number;
  problem?: Problem;
  attached?: Attached;
  file?: File;
  /** Long text that was pasted: it can be put into the message instead. */
  pasted?: boolean;
}

const AT_ONCE = 2;

export class Uploads {
  items: readonly Item[] = [];
  private nextId = 1;
  private readonly running = new Map<number, AbortController>();

  /**
   * @param store where files go
   * @param onChange called after each change of `items`
   */
  constructor(
    private readonly store: MediaStore,
    private readonly onChange: () => void,
  ) {}

  /** Is a file still on its way? */
  get busy(): boolean {
    return this.items.some((item) => item.state === "waiting" || item.state === "sending");
  }

  get failed(): Item[] {
    return this.items.filter((item) => item.state === "failed");
  }

  /** Those that are there, in their order. */
  get attached(): Attached[] {
    return this.items.flatMap((item) => (item.attached ? [item.attached] : []));
  }

  async add(files: readonly File[], pasted = false): Promise<void> {
    const limits = await this.store.limits();
    for (const file of files) {
      const problem = problemOf(
        file,
        limits,
        this.items.filter((item) => item.state !== "failed"),
      );
      const { name, size } = file;
      const kind = kindOf(name, file.type);
      const known = { id: this.nextId++, name: name.normalize("NFC"), size, mimeType: file.type, kind, file, pasted };
      this.items = [
        ...this.items,
        problem ? { ...known, state: "failed", progress: 0, problem } : { ...known, state: "waiting", progress: 0 },
      ];
    }
    this.onChange();
    this.work();
  }

  /** Something that is there already: a file of the server, or what an earlier page uploaded. */
  restore(attached: readonly Attached[]): void {
    for (const each of attached) {
      const { name, size, mimeType, kind } = each;
      const item: Item = { id: this.nextId++, name, size, mimeType, kind, state: "ready", progress: 1, attached: each };
      this.items = [...this.items, item];
    }
    this.onChange();
  }

  /** Take a file away; if it is on its way, the upload ends. */
  remove(id: number): void {
    this.running.get(id)?.abort();
    this.running.delete(id);
    this.items = this.items.filter((item) => item.id !== id);
    this.onChange();
    this.work();
  }

  clear(): void {
    for (const { id } of this.items) this.running.get(id)?.abort();
    this.running.clear();
    this.items = [];
    this.onChange();
  }

  retry(id: number): void {
    this.change(id, ({ problem: _, ...item }) => ({ ...item, state: "waiting", progress: 0 }));
    this.work();
  }

  private work(): void {
    for (const item of this.items) {
      if (this.running.size >= AT_ONCE) return;
      if (item.state === "waiting" && item.file) void this.send(item.id, item.file);
    }
  }

  private async send(id: number, file: File): Promise<void> {
    const control = new AbortController();
    this.running.set(id, control);
    this.change(id, (item) => ({ ...item, state: "sending" }));
    const tell = (progress: number): void => this.change(id, (item) => ({ ...item, progress }));
    try {
      const attached = await this.store.put(file, tell, control.signal);
      const { name, kind, mimeType } = attached;
      this.change(id, (item) => ({ ...item, name, kind, mimeType, state: "ready", progress: 1, attached }));
    } catch (error) {
      const problem: Problem = error instanceof UploadFailed ? error.problem : { code: "lost" };
      this.change(id, (item) => ({ ...item, state: "failed", problem }));
    } finally {
      if (this.running.get(id) === control) this.running.delete(id);
      this.work();
    }
  }

  private change(id: number, step: (item: Item) => Item): void {
    this.items = this.items.map((item) => (item.id === id ? step(item) : item));
    this.onChange();
  }
}
