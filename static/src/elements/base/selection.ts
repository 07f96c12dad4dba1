/** What a reader has selected, inside a shadow root: browsers differ in how they tell. */

type ComposedSelection = Omit<Selection, "getComposedRanges"> & Partial<Pick<Selection, "getComposedRanges">>;

/** The selection as a live range inside the root of `element`, or `null` when nothing of it is selected. */
export function rangeIn(element: Element): Range | null {
  const root = element.getRootNode() as ShadowRoot & { getSelection?: () => Selection | null };
  const selection: ComposedSelection | null = root.getSelection?.() ?? document.getSelection();
  if (!selection || selection.rangeCount === 0) return null;
  const found = selection.getComposedRanges?.({ shadowRoots: [root] })[0] ?? selection.getRangeAt(0);
  if (found.collapsed || !element.contains(found.startContainer) || !element.contains(found.endContainer)) return null;
  const range = document.createRange();
  range.setStart(found.startContainer, found.startOffset);
  range.setEnd(found.endContainer, found.endOffset);
  return range;
}

/** The keys of the rows in which the selection begins and ends. */
export function rowsSelected(element: Element): string[] {
  const range = rangeIn(element);
  if (!range) return [];
  const ends = [range.startContainer, range.endContainer].map((node) => keyAround(node));
  return ends.filter((key): key is string => key !== undefined);
}

function keyAround(node: Node): string | undefined {
  const element = node instanceof Element ? node : node.parentElement;
  return element?.closest<HTMLElement>(".row")?.dataset.key;
}
