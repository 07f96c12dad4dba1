/** Finding Korean titles as Koreans type: by the first consonants of syllables, and while the last one is unfinished. */

const FIRST_SYLLABLE = 0xac00;
const LAST_SYLLABLE = 0xd7a3;
/** Syllables with one initial consonant, and with one initial and one vowel. */
const PER_INITIAL = 588;
const PER_VOWEL = 28;
const INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ";

function syllable(char: string): number | null {
  const code = char.charCodeAt(0);
  return code >= FIRST_SYLLABLE && code <= LAST_SYLLABLE ? code - FIRST_SYLLABLE : null;
}

/** Does a typed character stand for one of the title? The last one typed may still lack its final consonant. */
function stands(typed: string, char: string, last: boolean): boolean {
  if (typed === char) return true;
  const there = syllable(char);
  if (there === null) return false;
  if (INITIALS.includes(typed)) return INITIALS[Math.floor(there / PER_INITIAL)] === typed;
  const given = last ? syllable(typed) : null;
  return given !== null && given % PER_VOWEL === 0 && Math.floor(there / PER_VOWEL) * PER_VOWEL === given;
}

/** Is `query` in `title`, whatever the case, the Unicode form, and with initial consonants for syllables? */
export function titleMatches(title: string, query: string): boolean {
  const text = Array.from(title.normalize("NFC").toLocaleLowerCase());
  const wanted = Array.from(query.trim().normalize("NFC").toLocaleLowerCase());
  const fits = (at: number): boolean =>
    wanted.every((typed, place) => stands(typed, text[at + place] ?? "", place === wanted.length - 1));
  for (let at = 0; at + wanted.length <= text.length; at++) if (fits(at)) return true;
  return wanted.length === 0;
}
