import { SenseVoiceError } from "../../error.ts";
import { createPause } from "../../pause.ts";
import { BLANK } from "./ctc.ts";

/** What the aligner needs of the CTC head. */
export interface AlignmentScores {
  /** For each row, whether the blank is the best of the whole vocabulary. */
  readonly blankIsBest: ArrayLike<boolean | number>;
  /** The tokens that `scores` has columns for: the blank and all tokens to align, each once. */
  readonly symbols: ArrayLike<number>;
  /** Log-softmax of `rows` rows from `first` on: [rows, symbols.length]. May be asked twice for a row. */
  readonly scores: (first: number, rows: number) => Float32Array | Promise<Float32Array>;
}

export interface Alignment {
  /** For each row, the index of the token that it belongs to, −1 for a blank. */
  readonly path: Int32Array;
  /** Log-probability of that token. */
  readonly logProbs: Float32Array;
}

/** Transitions of the CTC lattice, the number of states each advances; of equal ones the first is taken. */
const STAY = 0;
const STEP = 1;
const SKIP = 2;

/** Rows whose transitions are in memory at a time; before each such chunk the states' scores are kept. */
const CHUNK = 1024;

/**
 * Forced alignment: the token that each row belongs to.
 *
 * Viterbi over the 2L+1 states blank, token 0, blank, token 1, …, blank, starting in one of the first two and
 * ending in one of the last two; a blank between two different tokens may be skipped. A row whose best symbol
 * is the blank gives the blank a log-probability of 0. If no path is long enough to hold all tokens, every row
 * is the last token. Without tokens every row is a blank.
 *
 * Memory is O(CHUNK · L + rows / CHUNK · L): of several chunks the transitions are computed again on the way back.
 * The event loop gets its turns meanwhile.
 *
 * Source: funasr/models/sense_voice/utils/ctc_alignment.py and model.py (`inference`, output_timestamp), in
 * float32 and with torch.max's choice of the first of equal scores.
 */
export async function ctcForcedAlign(
  { blankIsBest, symbols, scores }: AlignmentScores,
  tokens: ArrayLike<number>,
  blank = BLANK,
): Promise<Alignment> {
  const rows = blankIsBest.length;
  const states = 2 * tokens.length + 1;
  const path = new Int32Array(rows).fill(-1);
  const logProbs = new Float32Array(rows);
  if (rows === 0 || tokens.length === 0) return { path, logProbs };

  const columns = new Map(Array.from(symbols, (symbol, column) => [symbol, column]));
  // Even states are blanks. A token that has the blank's id is scored as the blank.
  const tokenOf = (state: number): number => (state % 2 === 0 ? blank : tokens[(state - 1) / 2]);
  const columnOf = Int32Array.from({ length: states }, (_, s) => columns.get(tokenOf(s)) ?? -1);
  const isBlank = Uint8Array.from({ length: states }, (_, s) => Number(tokenOf(s) === blank));
  const canSkip = Uint8Array.from({ length: states }, (_, s) => Number(s >= 2 && tokenOf(s) !== tokenOf(s - 2)));
  const pause = createPause();

  /** The best scores of all states after the row, given those before it. */
  const advance = (before: Float32Array, after: Float32Array, row: number, at: Float32Array, moves?: Uint8Array) => {
    for (let state = 0; state < states; state++) {
      let best = before[state];
      let move = STAY;
      if (state >= 1 && before[state - 1] > best) {
        best = before[state - 1];
        move = STEP;
      }
      if (canSkip[state] && before[state - 2] > best) {
        best = before[state - 2];
        move = SKIP;
      }
      after[state] = (isBlank[state] && blankIsBest[row] ? 0 : at[columnOf[state]]) + best;
      if (moves) moves[state] = move;
    }
  };
  /** `advance` over a chunk. */
  const advanceAll = async (start: Float32Array, first: number, at: Float32Array, moves?: Uint8Array) => {
    let before: Float32Array = start;
    let after: Float32Array = new Float32Array(states);
    const count = Math.min(CHUNK, rows - first);
    for (let r = 0; r < count; r++) {
      const row = at.subarray(r * columns.size, (r + 1) * columns.size);
      advance(before, after, first + r, row, moves?.subarray(r * states, (r + 1) * states));
      [before, after] = [after, before === start ? new Float32Array(states) : before];
      await pause();
    }
    return before;
  };

  const scoresOf = async (first: number) => {
    const count = Math.min(CHUNK, rows - first);
    const found = await scores(first, count);
    if (found.length === count * columns.size) return found;
    throw new SenseVoiceError(
      `[alignment] scores: expected ${count} x ${columns.size} numbers (rows x symbols), got ${found.length}`,
    );
  };
  const starts: Float32Array[] = [new Float32Array(states).fill(-Infinity)];
  starts[0][0] = 0; // as if a blank had come before: the first row is in one of the first two states
  const chunks = Math.ceil(rows / CHUNK);
  for (let chunk = 0; chunk < chunks - 1; chunk++) {
    starts.push(await advanceAll(starts[chunk], chunk * CHUNK, await scoresOf(chunk * CHUNK)));
  }

  let state = -1;
  const moves = new Uint8Array(Math.min(CHUNK, rows) * states);
  for (let chunk = chunks - 1; chunk >= 0; chunk--) {
    const first = chunk * CHUNK;
    const at = await scoresOf(first);
    const end = await advanceAll(starts[chunk], first, at, moves);
    if (state < 0) state = end[states - 1] > end[states - 2] ? states - 1 : states - 2;
    for (let r = Math.min(CHUNK, rows - first) - 1; r >= 0; r--) {
      if (state % 2 === 1) path[first + r] = (state - 1) / 2;
      logProbs[first + r] = at[r * columns.size + columnOf[state]];
      state -= moves[r * states + state];
    }
  }
  return { path, logProbs };
}

/** Where a token was spoken. */
export interface TokenSpan {
  /** Seconds from the start of the sound. */
  readonly start: number;
  readonly end: number;
  /** Highest probability of the token over its rows, in [0, 1]. */
  readonly confidence: number;
}

/**
 * The span of each token of a path, in the order of the tokens. Row r of the speech stands for the 60 ms
 * that end at 60·r + 30 ms: start = max(60·first − 30, 0) / 1000, end = (60·(last + 1) − 30) / 1000.
 *
 * As in the reference, spans are runs of one id and are not tied to an index: a token that the path passes
 * over, or that has the blank's id, has none, and there are then fewer spans than tokens.
 */
export function tokenSpans({ path, logProbs }: Alignment, tokens: ArrayLike<number>, blank = BLANK): TokenSpan[] {
  const idAt = (row: number): number => (path[row] < 0 ? blank : tokens[path[row]]);
  const spans: TokenSpan[] = [];
  let end = 0;
  for (let start = 0; start < path.length; start = end) {
    let logProbability = -Infinity;
    for (end = start; end < path.length && idAt(end) === idAt(start); end++) {
      logProbability = Math.max(logProbability, logProbs[end]);
    }
    if (idAt(start) === blank) continue;
    spans.push({
      start: Math.max((start * 60 - 30) / 1000, 0),
      end: (end * 60 - 30) / 1000,
      // A log-softmax in float32 may round to slightly more than 0.
      confidence: Math.min(Math.exp(logProbability), 1),
    });
  }
  return spans;
}
