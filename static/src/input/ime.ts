/**
 * When does Enter send? One rule for every field, input methods included.
 *
 * While a syllable is being composed, Enter belongs to the input method: its keydown has `isComposing` or the key code
 * 229 (Safari reports 229 once more after the composition has ended). Most engines then give a second, plain Enter,
 * which sends. Some give none, so that Korean needs two presses; for those a Hangul composition remembers the wish and
 * sends the committed text shortly after it ends, unless the plain Enter comes first. Japanese and Chinese never do:
 * there Enter chooses a candidate.
 */

export type SendKey = "enter" | "ctrl-enter";

/** The parts of a `KeyboardEvent` that decide. */
export interface KeyFacts {
  key: string;
  code: string;
  keyCode: number;
  isComposing: boolean;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

/** Does this key press belong to an input method? No handler of ours may act on it then. */
export function isComposingKey(event: KeyFacts): boolean {
  return event.isComposing || event.keyCode === 229;
}

/** Is this the combination that sends, composition aside? */
function isSendCombination(event: KeyFacts, sendKey: SendKey): boolean {
  // On Windows an input method hides the key behind "Process"; the physical key still tells.
  const enter = event.key === "Enter" || (event.key === "Process" && /^(Numpad)?Enter$/.test(event.code));
  if (!enter || event.shiftKey || event.altKey) return false;
  return sendKey === "enter" || event.ctrlKey || event.metaKey;
}

const HANGUL = /[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]$/u;
const PENDING_MS = 30;

export class EnterRule {
  private composing = "";
  private pending = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param send sends what is in the field
   * @param hangulSends whether Enter in a Hangul composition sends once it ends
   */
  constructor(
    private readonly send: () => void,
    private readonly hangulSends: () => boolean,
  ) {}

  /** True if the key press is used up (the caller prevents its default). Sends if it should. */
  keydown(event: KeyFacts, sendKey: SendKey): boolean {
    if (isComposingKey(event)) {
      const wished = event.isComposing && isSendCombination(event, sendKey);
      this.pending = wished && this.hangulSends() && HANGUL.test(this.composing);
      return false;
    }
    clearTimeout(this.timer);
    if (!isSendCombination(event, sendKey)) return false;
    this.send();
    return true;
  }

  compositionUpdate(data: string): void {
    this.composing = data;
  }

  compositionEnd(): void {
    this.composing = "";
    if (!this.pending) return;
    this.pending = false;
    this.timer = setTimeout(this.send, PENDING_MS);
  }

  /** The field lost the focus or its text was replaced: nothing is being composed any more. */
  cancel(): void {
    this.composing = "";
    this.pending = false;
    clearTimeout(this.timer);
  }
}
