/** Listen to several things outside an element; the returned function ends all of it. */
export type Listening = readonly (readonly [target: EventTarget, type: string, listener: (event: never) => void])[];

export function listen(to: Listening): () => void {
  for (const [target, type, listener] of to) target.addEventListener(type, listener as EventListener);
  return () => {
    for (const [target, type, listener] of to) target.removeEventListener(type, listener as EventListener);
  };
}
