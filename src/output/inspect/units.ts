/** A character of Chinese, Japanese or Korean, which are counted one by one. */
const CJK = "[\\p{sc=Han}\\p{sc=Hiragana}\\p{sc=Katakana}\\p{sc=Hangul}ー]";

/** A letter, mark or digit of any other script. */
export const LETTER = `(?:(?!${CJK})[\\p{L}\\p{M}\\p{N}_])`;

const UNIT = new RegExp(`(${CJK})|${LETTER}+(?:['’-]${LETTER}+)*`, "gu");

/**
 * How much a text says: words, or, if more than half of it is Chinese, Japanese or Korean, characters, with each word
 * of another script as one.
 */
export function countUnits(text: string): { unit: "words" | "characters"; count: number } {
  const units = [...text.matchAll(UNIT)];
  const characters = units.filter(([, character]) => character !== undefined).length;
  return { unit: 2 * characters > units.length ? "characters" : "words", count: units.length };
}
