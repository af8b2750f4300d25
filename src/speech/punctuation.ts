import { createPause } from "../pause.ts";

/**
 * What is compared: a tag, a word in Latin letters or a number (`o'clock`, `3.5`), else a character.
 */
const UNIT =
  /<\|\w+\|>|[\p{Script=Latin}\p{M}\p{N}]+(?:(?:['’-]|(?<=\d)[.,:](?=\d))[\p{Script=Latin}\p{M}\p{N}]+)*|\S/gu;

/** Marks that are taken over. Those in pairs are not: one of two could be lost. */
const MARK = /^[,.?!;:…、。，．？！；：]$/u;

/** Units that two texts may be out of step by, beyond what their lengths say. */
const BAND = 256;

interface Unit {
  readonly text: string;
  /** Where it starts in its text. */
  readonly at: number;
  /** The same in lower case: what is compared. */
  readonly key: string;
}

/** A text without its marks, and before which unit each mark stands. */
interface Written {
  readonly units: readonly Unit[];
  readonly marks: readonly { readonly mark: string; readonly before: number }[];
}

/**
 * Punctuation and capitals for what was said, from how it is written: `spoken` with the marks of `written`, and with its
 * capitals in words that are the same in both. Nothing else changes: numbers stay as they were spoken. For
 * "see you at nine" and "See you at 9." that is "See you at nine."
 *
 * The texts are aligned with the fewest edits. A mark goes behind the word that it follows, or else before the word that
 * it precedes, if that word is the same in both; one at the end goes to the end. The event loop gets its turns meanwhile.
 */
export async function punctuate(spoken: string, written: string): Promise<string> {
  const said = unitsOf(spoken);
  if (said.length === 0) return spoken;
  const { units, marks } = withoutMarks(unitsOf(written));
  const partner = await align(said, units);
  const partnerOf = new Map(Array.from(partner, (j, i): [number, number] => [j, i]).filter(([j]) => j >= 0));
  /** Behind which unit of `said` a mark goes; −1 for none. */
  const placeOf = (before: number) => {
    const follows = partnerOf.get(before - 1);
    if (follows !== undefined) return follows;
    if (before === units.length) return said.length - 1;
    return (partnerOf.get(before) ?? 0) - 1;
  };
  const behind = said.map(() => "");
  for (const { mark, before } of marks) {
    const place = placeOf(before);
    if (place >= 0 && behind[place] === "") behind[place] = mark;
  }
  let out = "";
  let end = 0;
  for (const [i, { text, at }] of said.entries()) {
    const hasMark = MARK.test(text) || MARK.test(said[i + 1]?.text ?? "");
    out += spoken.slice(end, at) + (partner[i] < 0 ? text : units[partner[i]].text) + (hasMark ? "" : behind[i]);
    end = at + text.length;
  }
  return out + spoken.slice(end);
}

function unitsOf(text: string): Unit[] {
  return Array.from(text.matchAll(UNIT), ({ 0: unit, index }) => ({ text: unit, at: index, key: unit.toLowerCase() }));
}

function withoutMarks(all: readonly Unit[]): Written {
  const units: Unit[] = [];
  const marks: { mark: string; before: number }[] = [];
  for (const unit of all) {
    if (MARK.test(unit.text)) marks.push({ mark: unit.text, before: units.length });
    else units.push(unit);
  }
  return { units, marks };
}

const [DIAGONAL, UP, LEFT] = [0, 1, 2];

/**
 * For each unit of `a` the equal one of `b` that the alignment of fewest edits gives it, −1 where there is none:
 *
 *     cost(i, j) = cost(i−1, j−1) if aᵢ = bⱼ, else 1 + min(cost(i−1, j−1), cost(i−1, j), cost(i, j−1)),
 *
 * within BAND units of the diagonal from corner to corner. Time and memory O(|a| · BAND).
 */
async function align(a: readonly Unit[], b: readonly Unit[]): Promise<Int32Array> {
  const width = 2 * BAND + 1;
  /** The first column of the band in a row. */
  const firstOf = (i: number) => Math.round((i * b.length) / Math.max(a.length, 1)) - BAND;
  const moves = new Uint8Array((a.length + 1) * width);
  let above = new Float64Array(width);
  let row = new Float64Array(width);
  const pause = createPause();
  for (let i = 0; i <= a.length; i++) {
    const [first, shift] = [firstOf(i), firstOf(i) - firstOf(i - 1)];
    const at = (cells: Float64Array, k: number) => (k >= 0 && k < width ? cells[k] : Number.POSITIVE_INFINITY);
    for (let k = 0; k < width; k++) {
      const j = first + k;
      let [best, move] = [Number.POSITIVE_INFINITY, DIAGONAL];
      if (i === 0 && j === 0) best = 0;
      else if (j >= 0 && j <= b.length) {
        const same = i > 0 && j > 0 && a[i - 1].key === b[j - 1].key;
        if (i > 0 && j > 0) best = at(above, k + shift - 1) + (same ? 0 : 1);
        if (i > 0 && at(above, k + shift) + 1 < best) [best, move] = [at(above, k + shift) + 1, UP];
        if (j > 0 && at(row, k - 1) + 1 < best) [best, move] = [at(row, k - 1) + 1, LEFT];
      }
      row[k] = best;
      moves[i * width + k] = move;
    }
    [above, row] = [row, above];
    await pause();
  }
  const partner = new Int32Array(a.length).fill(-1);
  for (let [i, j] = [a.length, b.length]; i > 0 && j > 0; ) {
    const move = moves[i * width + j - firstOf(i)];
    if (move === DIAGONAL && a[i - 1].key === b[j - 1].key) partner[i - 1] = j - 1;
    if (move !== LEFT) i--;
    if (move !== UP) j--;
  }
  return partner;
}
