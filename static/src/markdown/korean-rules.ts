/**
 * Where marks end in text without spaces between words: `**중요(필수)**입니다`, `10~20도`, `https://example.com에서`. The
 * dialects of Markdown were made for languages that put a space or a full stop there.
 */
import { Tokenizer } from "marked";
import type { Lexer, Tokens } from "marked";

const CJK = /[\p{Script=Hangul}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;
const PUNCTUATION = /[\p{P}\p{S}]/u;

/**
 * `**중요(필수)**입니다`: CommonMark sees no end here, as the closing `**` stands between punctuation and a letter. Where
 * that letter is written without spaces between words, the first matching run closes.
 */
export function cjkEmphasis(
  lexer: Lexer,
  source: string,
  masked: string,
  before: string,
): Tokens.Em | Tokens.Strong | null {
  const mark = /^\*{1,2}(?![*\s])/.exec(source)?.[0];
  if (mark === undefined || before === "*") return null;
  const inside = masked.slice(-source.length);
  const closing = new RegExp(`(?<![*\\s\\\\])${mark === "**" ? "\\*\\*" : "\\*"}(?!\\*)`, "g");
  closing.lastIndex = mark.length + 1;
  const end = closing.exec(inside)?.index;
  if (end === undefined) return null;
  const after = source.charAt(end + mark.length);
  const closesHard = PUNCTUATION.test(source.charAt(end - 1)) && CJK.test(after);
  const opensHard = CJK.test(before) && PUNCTUATION.test(source.charAt(mark.length));
  if (!closesHard && !opensHard) return null;
  const text = source.slice(mark.length, end);
  const raw = source.slice(0, end + mark.length);
  return { type: mark === "**" ? "strong" : "em", raw, text, tokens: lexer.inlineTokens(text) };
}

/** Only two tildes strike out: one stands between the ends of a range (`10~20도`), and does so twice in a sentence. */
export function struckOut(lexer: Lexer, source: string, masked: string): Tokens.Del | undefined {
  if (!/^~~[^\s~]/.test(source)) return undefined;
  const end = masked.slice(-source.length).indexOf("~~", 3);
  if (end < 0 || /\s/.test(source.charAt(end - 1))) return undefined;
  const text = source.slice(2, end);
  return { type: "del", raw: source.slice(0, end + 2), text, tokens: lexer.inlineTokens(text) };
}

/** No address has these: they are of the sentence around it, as all that follows is. */
const SENTENCE_GOES_ON = /[、。，．：；！？…「」『』《》〈〉（）【】“”‘’].*/u;
/** A host in Latin letters, where other letters follow: they are a particle. */
const LATIN_HOST = /^((?:\w+:\/\/)?[\w.-]*(?:\.[a-z]{2,}|localhost|\d)(?::\d+)?)[^\0-\x7f].*/iu;
/** What a noun has behind it, at the end of an address in Latin letters. */
const PARTICLES =
  /(?<=[\w/)])(?:에서|으로|까지|부터|처럼|보다|이?라|입니다|이에요|예요|[은는이가을를의에도만와과로고]){1,3}$/u;
/** The longest of them with what is before it, in characters. */
const PARTICLES_MAX = 12;

/** A bare address as far as it is one, of what is written without a space. */
function addressIn(written: string): string {
  let address = written.replace(SENTENCE_GOES_ON, "").replace(LATIN_HOST, "$1");
  const closing = address.includes("(") ? "" : ")";
  for (let before = ""; before !== address;) {
    before = address;
    const particle = PARTICLES.exec(address.slice(-PARTICLES_MAX))?.[0].length ?? 0;
    address = address.slice(0, address.length - particle);
    while (address !== "" && `?!.,:;*_'"~${closing}`.includes(address.slice(-1))) address = address.slice(0, -1);
  }
  return address;
}

const whole = new Tokenizer();

/** A bare address, which ends where Korean goes on with a particle. */
export function bareAddress(tokenizer: Tokenizer, source: string): Tokens.Link | undefined {
  const found = whole.url.call(tokenizer, source);
  if (!found || found.href.startsWith("mailto:")) return found;
  const address = addressIn(found.raw);
  return address === found.raw ? found : whole.url.call(tokenizer, address);
}
