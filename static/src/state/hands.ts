/**
 * What the assistant changed in notebooks and files, and the permissions that were given for good: read when a part of
 * the page first wants it, and kept in step with the gateway's events from then on. One store for each controller.
 */
import type { Controller } from "./controller.js";
import type { Change, Grant, UndoProblem } from "../protocol/hands.js";

/** The changes of one session by age, newest first; as far as they were read. */
export interface HandsState {
  changes: Readonly<Record<string, readonly Change[]>>;
  /** `null`: not read. */
  grants: readonly Grant[] | null;
}

export type HandsAction =
  | { type: "changes"; key: string; changes: readonly Change[] }
  | { type: "change"; change: Change }
  | { type: "grants"; grants: readonly Grant[] };

const LIMIT = 200;
export const NO_HANDS: HandsState = { changes: {}, grants: null };

/** The pure step: a list that was read replaces what is known; a piece of news replaces its change. */
export function reduceHands(state: HandsState, action: HandsAction): HandsState {
  if (action.type === "grants") return { ...state, grants: action.grants };
  if (action.type === "changes")
    return { ...state, changes: { ...state.changes, [action.key]: ordered(action.changes) } };
  const { change } = action;
  const known = state.changes[change.sessionKey] ?? [];
  const others = known.filter((each) => each.id !== change.id);
  return { ...state, changes: { ...state.changes, [change.sessionKey]: ordered([change, ...others]) } };
}

function ordered(changes: readonly Change[]): readonly Change[] {
  return [...changes].sort((a, b) => b.createdAtMs - a.createdAtMs);
}

/** The changes of one run, oldest first. */
export function changesOf(state: HandsState, key: string, runId: string): readonly Change[] {
  return (state.changes[key] ?? []).filter((each) => each.runId === runId).reverse();
}

class HandsStore {
  state = NO_HANDS;
  private readonly listeners = new Set<() => void>();
  /** Sessions whose changes are known or asked for. */
  private readonly wanted = new Set<string>();
  private grantsWanted = false;

  constructor(private readonly controller: Controller) {
    controller.watchers.add((name, payload) => this.heard(name, payload));
  }

  /** Call `listener` after each change of `state`; the function returned ends it. */
  watch(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Read the changes of a session once; later news come by themselves. */
  want(key: string): void {
    if (this.wanted.has(key) || !this.controller.can("hands.changes.list")) return;
    this.wanted.add(key);
    void this.read(key);
  }

  wantGrants(): void {
    this.grantsWanted = true;
    void this.readGrants();
  }

  keep(id: string): Promise<unknown> {
    return this.controller.client.request("hands.changes.keep", { id });
  }

  /**
   * Take a change back. Cells that were changed since are left alone and given back, with what they were and are;
   * `force` takes those in `cells` back all the same.
   */
  async undo(id: string, force?: { cells: readonly string[] }): Promise<readonly UndoProblem[]> {
    const forced = force ? { force: true, cells: [...force.cells] } : {};
    const { problems } = await this.controller.client.request("hands.changes.undo", { id, ...forced });
    return problems;
  }

  async revoke(id: string): Promise<void> {
    await this.controller.client.request("hands.grants.revoke", { id });
    const grants = (this.state.grants ?? []).filter((each) => each.id !== id);
    this.dispatch({ type: "grants", grants });
  }

  private heard(name: string, payload: unknown): void {
    if (name === "hands.changes.changed")
      this.dispatch({ type: "change", change: (payload as { change: Change }).change });
    else if (name === "hands.grants.changed")
      this.dispatch({ type: "grants", grants: (payload as { grants: readonly Grant[] }).grants });
    else if (name === "") {
      // A new connection, or news were lost.
      for (const key of this.wanted) void this.read(key);
      if (this.grantsWanted) void this.readGrants();
    }
  }

  private async read(key: string): Promise<void> {
    try {
      const { changes } = await this.controller.client.request("hands.changes.list", { sessionKey: key, limit: LIMIT });
      this.dispatch({ type: "changes", key, changes: changes });
    } catch {
      // Lost: read again after the next handshake.
    }
  }

  private async readGrants(): Promise<void> {
    try {
      const { grants } = await this.controller.client.request("hands.grants.list", {});
      this.dispatch({ type: "grants", grants: grants });
    } catch {
      // Lost, or no right to.
    }
  }

  private dispatch(action: HandsAction): void {
    this.state = reduceHands(this.state, action);
    for (const listener of this.listeners) listener();
  }
}

const stores = new WeakMap<Controller, HandsStore>();

/** The store of a controller, made when it is first wanted. */
export function handsOf(controller: Controller): HandsStore {
  let store = stores.get(controller);
  if (!store) stores.set(controller, (store = new HandsStore(controller)));
  return store;
}
