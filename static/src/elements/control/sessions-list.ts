/**
 * The sessions of the table, of which only the pages near the visible part are here. What is asked for is written in the
 * tab's address, so that a reload and a bookmark show the same.
 */
import type { ParamsOf, ResultOf, SessionRow } from "../../protocol/types.js";

type Page = ResultOf<"sessions.page">;
export type Filter = Omit<ParamsOf<"sessions.page">, "offset" | "limit">;
export type SortColumn = NonNullable<Filter["sort"]>;

/** One place of the table; its row may still be at the gateway. */
export interface Place {
  index: number;
  row: SessionRow | undefined;
}

export const PAGE = 100;
/** Pages kept; of the others the rows are asked for again. */
const KEPT = 8;

const KINDS = ["main", "chat", "named", "imported", "temporary"] as const;
/** Ages in days: active since then, or (below 0) not active since then. */
const AGES = ["1", "7", "30", "-30", "-90"] as const;
const ARCHIVED = ["without", "with", "only"] as const;
const SORTS: readonly SortColumn[] = ["title", "tokens", "cost", "model", "updated"];
const DAY_MS = 86_400_000;

/** The choices of the tab, as its address has them; each has its default where the address says nothing. */
export interface Choices {
  search: string;
  kind: (typeof KINDS)[number] | "";
  age: (typeof AGES)[number] | "";
  archived: (typeof ARCHIVED)[number];
  sort: SortColumn;
  down: boolean;
}

function known<T extends string, D>(list: readonly T[], value: string | null, other: D): T | D {
  return list.find((each) => each === value) ?? other;
}

export function choicesOf(query: URLSearchParams): Choices {
  const sort = known(SORTS, query.get("sort"), "updated");
  return {
    search: query.get("search") ?? "",
    kind: known(KINDS, query.get("kind"), ""),
    age: known(AGES, query.get("age"), ""),
    archived: known(ARCHIVED, query.get("archived"), "without"),
    sort,
    down: query.get("order") !== "up",
  };
}

export function queryOf(choices: Choices): Record<string, string> {
  return {
    search: choices.search,
    kind: choices.kind,
    age: choices.age,
    archived: choices.archived === "without" ? "" : choices.archived,
    sort: choices.sort === "updated" ? "" : choices.sort,
    order: choices.down ? "" : "up",
  };
}

export function filterOf(choices: Choices, now: number): Filter {
  const days = Number(choices.age);
  return {
    sort: choices.sort,
    descending: choices.down,
    archived: choices.archived,
    ...(choices.search.trim() === "" ? {} : { search: choices.search.trim().slice(0, 256) }),
    ...(choices.kind === "" ? {} : { kinds: [choices.kind] }),
    ...(days > 0 ? { since: now - days * DAY_MS } : {}),
    ...(days < 0 ? { until: now + days * DAY_MS } : {}),
  };
}

export class SessionList {
  total = 0;
  private pages = new Map<number, readonly SessionRow[]>();
  /** The pages that were looked at, the last one at the end. */
  private looked: number[] = [0];
  private asked = new Set<number>();
  private number = 0;

  /**
   * @param ask reads one page
   * @param changed is told when there is something new to draw
   */
  constructor(
    private readonly ask: (offset: number, limit: number) => Promise<Page>,
    private readonly changed: () => void,
  ) {}

  /** All places of the table. */
  places(): Place[] {
    return Array.from({ length: this.total }, (_, index) => ({
      index,
      row: this.pages.get(Math.floor(index / PAGE))?.[index % PAGE],
    }));
  }

  rows(): SessionRow[] {
    return [...this.pages.values()].flat();
  }

  /** Read the pages that were looked at last again; the others are forgotten. */
  async read(): Promise<void> {
    const number = ++this.number;
    const wanted = this.looked.slice(-2);
    const found = await Promise.all(wanted.map((page) => this.ask(page * PAGE, PAGE)));
    if (number !== this.number) return;
    this.asked.clear();
    this.pages = new Map(wanted.map((page, index) => [page, found[index]?.rows ?? []]));
    this.total = found.at(-1)?.total ?? 0;
  }

  /** Begin from the top: something else is asked for. */
  restart(): void {
    this.looked = [0];
  }

  /** A place is drawn; its page is fetched if it is not here. */
  see(index: number): void {
    const page = Math.floor(index / PAGE);
    if (this.looked.at(-1) !== page) this.looked = [...this.looked.filter((each) => each !== page), page].slice(-KEPT);
    if (this.pages.has(page) || this.asked.has(page)) return;
    this.asked.add(page);
    void this.fetch(page);
  }

  private async fetch(page: number): Promise<void> {
    const number = this.number;
    try {
      const found = await this.ask(page * PAGE, PAGE);
      if (number !== this.number) return;
      this.pages.set(page, found.rows);
      for (const old of [...this.pages.keys()].filter((each) => !this.looked.includes(each))) this.pages.delete(old);
      this.total = found.total;
      this.changed();
    } catch {
      // The tab says that the gateway is away; the page is asked for again when it is drawn again.
    } finally {
      if (number === this.number) this.asked.delete(page);
    }
  }
}
