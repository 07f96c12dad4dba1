/**
 * Elements that the first view does not need: each is a chunk of its own, fetched at its first use.
 *
 * Such an element may stand in a template before its chunk has come: it stays empty and is upgraded when it is defined.
 * What it is given must then be a *declared* property (`static properties`): only those survive the upgrade.
 */
export type LazyTag = Extract<keyof HTMLElementTagNameMap, `clawdbot-${string}`>;
export type Loader = () => Promise<CustomElementConstructor>;

const loaders = new Map<string, Loader>();
const loading = new Map<string, Promise<boolean>>();

/** Say where elements come from. The entry point has the table, so that no element imports upwards. */
export function registerLazyElements(table: Readonly<Record<string, Loader>>): void {
  for (const [tag, loader] of Object.entries(table)) loaders.set(tag, loader);
}

/** Fetch and define an element, once. False when it cannot be had (offline, or a newer deployment); the next call tries again. */
export function loadElement(tag: LazyTag): Promise<boolean> {
  const started = loading.get(tag);
  if (started) return started;
  const loader = loaders.get(tag);
  if (!loader) throw new Error(`no loader is registered for <${tag}>`);
  const result = loader().then(
    (element) => {
      if (!customElements.get(tag)) customElements.define(tag, element);
      return true;
    },
    () => {
      loading.delete(tag);
      return false;
    },
  );
  loading.set(tag, result);
  return result;
}
