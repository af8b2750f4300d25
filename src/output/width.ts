/** Units of width: a line of subtitles is 42 narrow or 18 wide characters, or what adds up to as much of both. */
export const LINE_WIDTH = 126;
const NARROW = LINE_WIDTH / 42;
const WIDE = LINE_WIDTH / 18;
export const SPACE_WIDTH = NARROW;

/**
 * Wide and fullwidth characters by blocks (East_Asian_Width W and F), and those shown as emoji.
 * Source: Unicode Standard Annex #11.
 */
const WIDE_BLOCKS =
  "\\u1100-\\u115f\\u2329\\u232a\\u2630-\\u2637\\u268a-\\u268f\\u2e80-\\u303e\\u3041-\\ua4cf\\ua960-\\ua97f\\uac00-\\ud7a3" +
  "\\uf900-\\ufaff\\ufe10-\\ufe19\\ufe30-\\ufe6f\\uff01-\\uff60\\uffe0-\\uffe6\\u{16fe0}-\\u{18dff}\\u{1aff0}-\\u{1b2ff}" +
  "\\u{1d300}-\\u{1d376}\\u{1f200}-\\u{1f2ff}\\u{20000}-\\u{3fffd}";
const WIDE_CHARACTER = new RegExp(`[${WIDE_BLOCKS}]|\\ufe0f|\\p{Emoji_Presentation}`, "u");

const INVISIBLE = /^[\p{M}\p{Cf}]*$/u;

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** What a reader takes for one character each: `é`, `👨‍👩‍👧`, `각`, however they are written. */
export function graphemes(text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** Width of one grapheme, in units of {@link LINE_WIDTH}. */
export function graphemeWidth(grapheme: string): number {
  if (WIDE_CHARACTER.test(grapheme)) return WIDE;
  return INVISIBLE.test(grapheme) ? 0 : NARROW;
}

export function textWidth(text: string): number {
  return graphemes(text).reduce((sum, grapheme) => sum + graphemeWidth(grapheme), 0);
}

/** Seconds that it takes to read a width: 21 narrow or 9 wide characters a second. */
export function readingSeconds(width: number): number {
  return width / (WIDE * 9);
}
