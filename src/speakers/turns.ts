import { byAppearance, type Turn } from "./turn.ts";

/** What a label was given to: seconds. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** Seconds that two neighbours may overlap without being parted. */
const TOUCHING = 1e-4;
/** Turns shorter than this go to the nearer neighbour. */
const SHORTEST = 0.7;
/** A pause between turns, more than rounding makes. */
const APART = 0.02;

/**
 * Turns from labelled chunks, as FunASR makes them: chunks of one label in a row that touch are one turn; neighbours that
 * overlap meet in the middle; with two or more, times are rounded to 0.01 s and one under 0.7 s takes the label of the nearer
 * neighbour. Operation by operation in f64. Source: `postprocess` in funasr/models/campplus/utils.py.
 * @param chunks in order of their start
 * @param options keepApart: a short turn with a pause on both sides stays its speaker's, as a "yes" in between
 */
export function turnsOf(chunks: readonly Span[], labels: readonly number[], { keepApart = false } = {}): Turn[] {
  const speakers = byAppearance(labels);
  const turns = joined(chunks.map(({ start, end }, i) => ({ start, end, speaker: speakers[i] })));
  for (const [i, turn] of turns.slice(1).entries()) {
    const before = turns[i];
    if (before.end <= turn.start + TOUCHING) continue;
    const middle = (turn.start + before.end) / 2;
    turn.start = middle;
    before.end = middle;
  }
  return smoothed(turns, keepApart);
}

interface OpenTurn {
  start: number;
  end: number;
  speaker: number;
}

function joined(turns: readonly OpenTurn[]): OpenTurn[] {
  const out: OpenTurn[] = [];
  for (const turn of turns) {
    const last = out.at(-1);
    if (last && last.speaker === turn.speaker && turn.start <= last.end) last.end = turn.end;
    else out.push({ ...turn });
  }
  return out;
}

function smoothed(turns: OpenTurn[], keepApart: boolean): OpenTurn[] {
  if (turns.length < 2) return turns;
  for (const [i, turn] of turns.entries()) {
    turn.start = roundHundredths(turn.start);
    turn.end = roundHundredths(turn.end);
    if (turn.end - turn.start >= SHORTEST) continue;
    const before = turns[i - 1];
    const next = turns[i + 1];
    const gapBefore = before ? turn.start - before.end : Number.POSITIVE_INFINITY;
    const gapAfter = next ? next.start - turn.end : Number.POSITIVE_INFINITY;
    if (keepApart && Math.min(gapBefore, gapAfter) > APART) continue;
    turn.speaker = (gapBefore <= gapAfter ? before : next).speaker;
  }
  return joined(turns);
}

/**
 * A time to two decimals as Python's `round` has it: of the exact value of the f64, so that 1.125, a tie, becomes 1.12, and
 * 2.675, which is less than it reads, 2.67.
 */
export function roundHundredths(value: number): number {
  // A tie is an odd number of 200ths, and an f64 only as an odd number of 8ths. toFixed would take its larger neighbour.
  if (!Number.isInteger(value * 8)) return Number(value.toFixed(2));
  const below = Math.floor(value * 100);
  return (below + (value * 100 - below === 0.5 && below % 2 !== 0 ? 1 : 0)) / 100;
}

/**
 * The speaker of a sentence as FunASR chooses it: of the first turn that overlaps it the overlap counts twice, so that 1.0 s
 * beats a later 1.9 s; 0 where none does. Source: `distribute_spk` in funasr/models/campplus/utils.py.
 * @param sentence in milliseconds
 */
export function funasrSpeaker(sentence: Span, turns: readonly Turn[]): number {
  let best = 0;
  let speaker = 0;
  for (const turn of turns) {
    const overlap = Math.max(Math.min(sentence.end, turn.end * 1000) - Math.max(sentence.start, turn.start * 1000), 0);
    if (overlap > best) {
      best = overlap;
      speaker = turn.speaker;
    }
    if (overlap > 0 && speaker === turn.speaker) best += overlap;
  }
  return speaker;
}

/** Whose turns overlap a time longest, all of one speaker's together; of two as long the one that comes first. Null: nobody's. */
export function longestOverlap({ start, end }: Span, turns: readonly Turn[]): number | null {
  const overlaps = new Map<number, number>();
  for (const turn of turns) {
    const overlap = Math.min(end, turn.end) - Math.max(start, turn.start);
    if (overlap > 0) overlaps.set(turn.speaker, (overlaps.get(turn.speaker) ?? 0) + overlap);
  }
  let best: number | null = null;
  for (const [speaker, overlap] of overlaps) if (best === null || overlap > (overlaps.get(best) ?? 0)) best = speaker;
  return best;
}
