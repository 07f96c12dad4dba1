/** Dictation by the browser's Web Speech API. Finished phrases go into the message; the one being spoken is only shown. */
import type { Ui } from "../base/ui-context.js";

interface Alternative {
  transcript: string;
}
interface SpeechResult extends ArrayLike<Alternative> {
  isFinal: boolean;
}
interface SpeechEvent {
  resultIndex: number;
  results: ArrayLike<SpeechResult>;
}
interface Recognition {
  lang: string;
  continuous: boolean;
  interimResults: boolean;
  onresult: ((event: SpeechEvent) => void) | null;
  onerror: ((event: { error: string }) => void) | null;
  onend: (() => void) | null;
  start(): void;
  stop(): void;
  abort(): void;
}

export interface DictationEvents {
  /** The phrase as far as it is understood. */
  interim(text: string): void;
  phrase(text: string): void;
  ended(): void;
}

/** Listen until `stop`; `null` where the browser cannot. Why it ended, if that was not asked for, is told by a toast. */
export function dictation({ locale, t, toast }: Ui, events: DictationEvents): { stop: () => void } | null {
  const all = window as { SpeechRecognition?: new () => Recognition; webkitSpeechRecognition?: new () => Recognition };
  const Recogniser = all.SpeechRecognition ?? all.webkitSpeechRecognition;
  if (!Recogniser) return null;
  const recognition = new Recogniser();
  // The recogniser wants a region, too.
  const tag = navigator.languages.find((each) => each.startsWith(`${locale}-`));
  recognition.lang = tag ?? (locale === "ko" ? "ko-KR" : "en-US");
  recognition.continuous = true;
  recognition.interimResults = true;
  recognition.onresult = ({ resultIndex, results }) => {
    const news = Array.from(results).slice(resultIndex);
    const said = (final: boolean): string =>
      news
        .filter((result) => result.isFinal === final)
        .map((result) => result[0]?.transcript ?? "")
        .join("")
        .trim();
    const phrase = said(true);
    if (phrase !== "") events.phrase(phrase);
    events.interim(said(false));
  };
  recognition.onerror = ({ error }) => {
    const denied = error === "not-allowed" || error === "service-not-allowed";
    if (error === "no-speech" || error === "aborted") return;
    toast({ text: t(denied ? "voice.denied" : "voice.failed"), kind: "error" });
  };
  recognition.onend = () => events.ended();
  recognition.start();
  return { stop: () => recognition.stop() };
}
