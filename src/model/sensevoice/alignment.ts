import { SenseVoiceError } from "../../error.ts";
import { BLANK } from "./ctc.ts";

/** Where a token was spoken. */
export interface TokenSpan {
  /** Seconds from the start of the sound. */
  readonly start: number;
  readonly end: number;
  /** Highest probability of the token over its rows, in [0, 1]. */
  readonly confidence: number;
}

/** What the aligner needs of the CTC head: the log-softmax of the speech rows, at the columns of interest only. */
export interface AlignmentScores {
  /** [rows, L+1] log-probabilities: column 0 the blank, columns 1 to L the tokens in their order. */
  readonly scores: Float32Array;
  /** For each row, whether the blank is the best of the whole vocabulary. */
  readonly blankIsBest: ArrayLike<boolean | number>;
}

/** Transitions of the CTC lattice, the number of states each advances; of equal ones the first is taken. */
const STAY = 0;
const STEP = 1;
const SKIP = 2;

/**
 * Forced alignment: for each row, the index into `tokens` of the token that it belongs to, −1 for a blank.
 *
 * Viterbi over the 2L+1 states blank, token 0, blank, token 1, …, blank, starting in one of the first two and
 * ending in one of the last two; a blank between two different tokens may be skipped. A row whose best symbol
 * is the blank gives the blank a log-probability of 0. If no path is long enough to hold all tokens, every row
 * is the last token. Without tokens every row is a blank.
 *
 * Source: funasr/models/sense_voice/utils/ctc_alignment.py and model.py (`inference`, output_timestamp), in
 * float32 and with torch.max's choice of the first of equal scores.
 */
export function ctcForcedAlign(
  { scores, blankIsBest }: AlignmentScores,
  tokens: ArrayLike<number>,
  blank = BLANK,
): Int32Array {
  const rows = blankIsBest.length;
  const columns = tokens.length + 1;
  const states = 2 * tokens.length + 1;
  if (scores.length !== rows * columns) {
    throw new SenseVoiceError(
      `[timestamps] scores: expected ${rows} x ${columns} numbers (rows x tokens + 1), got ${scores.length}`,
    );
  }
  const path = new Int32Array(rows).fill(-1);
  if (rows === 0 || tokens.length === 0) return path;

  // Even states are blanks. A token that has the blank's id is scored as the blank.
  const tokenOf = (state: number): number => (state % 2 === 0 ? blank : tokens[(state - 1) / 2]);
  const emission = (row: number, state: number): number => {
    if (tokenOf(state) !== blank) return scores[row * columns + (state + 1) / 2];
    return blankIsBest[row] ? 0 : scores[row * columns];
  };
  const canSkip = Array.from({ length: states }, (_, s) => s >= 2 && tokenOf(s) !== tokenOf(s - 2));

  const moves = new Uint8Array(rows * states);
  let previous = new Float32Array(states).fill(-Infinity);
  let current = new Float32Array(states);
  previous[0] = emission(0, 0);
  previous[1] = emission(0, 1);
  for (let row = 1; row < rows; row++) {
    for (let state = 0; state < states; state++) {
      let best = previous[state];
      let move = STAY;
      if (state >= 1 && previous[state - 1] > best) {
        best = previous[state - 1];
        move = STEP;
      }
      if (canSkip[state] && previous[state - 2] > best) {
        best = previous[state - 2];
        move = SKIP;
      }
      current[state] = emission(row, state) + best;
      moves[row * states + state] = move;
    }
    [previous, current] = [current, previous];
  }

  let state = previous[states - 1] > previous[states - 2] ? states - 1 : states - 2;
  for (let row = rows - 1; row >= 0; row--) {
    if (state % 2 === 1) path[row] = (state - 1) / 2;
    state -= moves[row * states + state];
  }
  return path;
}

/**
 * The span of each token of a path, in the order of the tokens. Row r of the speech stands for the 60 ms
 * that end at 60·r + 30 ms: start = max(60·first − 30, 0) / 1000, end = (60·(last + 1) − 30) / 1000.
 *
 * As in the reference, spans are runs of one id and are not tied to an index: a token that the path passes
 * over, or that has the blank's id, has none, and there are then fewer spans than tokens.
 */
export function tokenSpans(
  path: Int32Array,
  { scores }: AlignmentScores,
  tokens: ArrayLike<number>,
  blank = BLANK,
): TokenSpan[] {
  const columns = tokens.length + 1;
  const idAt = (row: number): number => (path[row] < 0 ? blank : tokens[path[row]]);
  const spans: TokenSpan[] = [];
  let end = 0;
  for (let start = 0; start < path.length; start = end) {
    let logProbability = -Infinity;
    for (end = start; end < path.length && idAt(end) === idAt(start); end++) {
      logProbability = Math.max(logProbability, scores[end * columns + path[end] + 1]);
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
