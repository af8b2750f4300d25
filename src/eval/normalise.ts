/** What `normalise` does, as reports print it. */
export const NORMALISATION =
  "NFKC (full width becomes half), lower case; emoji, punctuation and symbols become spaces, but an apostrophe " +
  "inside a word stays; runs of white space become one space";

/** Languages written without spaces, or, as Korean, with spaces that even careful writers disagree about. */
const COUNTED_IN_CHARACTERS: ReadonlySet<string> = new Set(["zh", "yue", "ja", "ko", "th", "lo", "my", "km"]);

/** What an error rate counts: a character error rate (CER) or a word error rate (WER). */
export type Unit = "characters" | "words";

export function unitOf(language: string): Unit {
  return COUNTED_IN_CHARACTERS.has(language) ? "characters" : "words";
}

/** A raw transcript without its tags: `<|en|><|HAPPY|><|Speech|><|woitn|>good morning` gives `good morning`. */
export function withoutTags(raw: string): string {
  return raw.replace(/(<\|\w+\|>)+/g, " ").trim();
}

/**
 * Makes texts comparable that differ only in what is not said: see NORMALISATION. Numbers stay as written, for
 * "21" and "twenty-one" are told apart by asking for ITN or not; so do traditional and simplified characters.
 */
export function normalise(text: string): string {
  return text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[\p{Cf}\p{Variation_Selector}]/gu, "") // not seen; an emoji may be several signs held together by them
    .replace(/[‘’]/g, "'")
    .replace(/((?<![\p{L}\p{N}])'|'(?![\p{L}\p{N}])|[^\p{L}\p{Mn}\p{Mc}\p{N}'])+/gu, " ")
    .trim();
}

/** The words of a text: what stands between white space. */
export function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/** Code points of a text. Spaces between words are among them, except where the language does without (unitOf). */
export function characters(text: string, language: string): string[] {
  return unitOf(language) === "characters" ? [...text.replace(/\s/g, "")] : [...text.trim()];
}
