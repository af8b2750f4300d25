import { cosine } from "./vectors.ts";

/** Samples per second of the sound that voices are told from. */
export const RATE = 16_000;
/** Samples that an embedding is made of: 1.5 s. */
export const WINDOW = 24_000;

/** A piece of a stretch of speech that becomes one embedding. */
export interface Chunk {
  /** Seconds from the start of the recording that it speaks for, padding not counted. */
  readonly start: number;
  readonly end: number;
  /** Samples [first, last) of the stretch; what is missing to a window is zeros behind. */
  readonly first: number;
  readonly last: number;
}

function chunk(first: number, last: number, startMs: number): Chunk {
  return { start: first / RATE + startMs / 1000, end: last / RATE + startMs / 1000, first, last };
}

/**
 * FunASR's chunks of a stretch of speech: a window of 1.5 s every 0.75 s; one past the end is moved back to end there and
 * is the last. A stretch under 1.5 s is one chunk. Source: `sv_chunk` in funasr/models/campplus/utils.py.
 * @param samples of the stretch, at 16 kHz
 * @param startMs of the stretch in the recording
 */
export function everyHalf(samples: number, startMs: number): Chunk[] {
  const chunks: Chunk[] = [];
  for (let first = 0, heard = 0; heard < samples; first += WINDOW / 2) {
    heard = Math.min(first + WINDOW, samples);
    chunks.push(chunk(Math.max(0, heard - WINDOW), heard, startMs));
  }
  return chunks;
}

/** Seconds that a window of 1.5 s may speak for. */
const SHARE = 2;

/**
 * Windows of 1.5 s, each in the middle of its share of the stretch: equal shares of up to 2 s. So half a second between two
 * may be heard by none: docs/speakers.md says what that saves and costs.
 * @param share the most seconds that a window speaks for
 */
export function coarse(samples: number, startMs: number, share = SHARE): Chunk[] {
  const count = Math.ceil(samples / (share * RATE));
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [i, i + 1].map((k) => Math.round((k * samples) / count));
    const first = Math.max(0, Math.min(Math.round((from + to - WINDOW) / 2), samples - WINDOW));
    const seconds = (sample: number) => sample / RATE + startMs / 1000;
    return { start: seconds(from), end: seconds(to), first, last: Math.min(first + WINDOW, samples) };
  });
}

/**
 * The windows to add between a stretch's neighbours whose voices may differ, so that a change is found to 0.75 s where there
 * is one, at half the cost where there is none. Neighbours that begin less than 0.75 s apart get none.
 * @param chunks of one stretch, in order (`coarse`), and the embedding of each
 * @param change neighbours of a lower cosine may be two voices (`ChangeLimit`)
 */
export function refine(
  chunks: readonly Chunk[],
  embeddings: readonly Float32Array[],
  startMs: number,
  change: number,
): Chunk[] {
  return chunks.slice(1).flatMap((next, i) => {
    const { first } = chunks[i];
    if (next.first - first < WINDOW / 2 || cosine(embeddings[i], embeddings[i + 1]) >= change) return [];
    const middle = Math.floor((first + next.first) / 2);
    return [chunk(middle, middle + WINDOW, startMs)];
  });
}

/**
 * Which windows of a stretch are of one voice, as far as can be told: inner ones less alike than `change` with the one before
 * and the one behind hold a change, or a turn as short as they are.
 */
export function clearOf(embeddings: readonly Float32Array[], change: number): boolean[] {
  const differs = embeddings.slice(1).map((next, i) => cosine(embeddings[i], next) < change);
  return embeddings.map((_, i) => !(differs[i - 1] && differs[i]));
}

/** The samples of a chunk, zeros behind where the stretch is short: always 1.5 s. */
export function windowOf(pcm: Float32Array, { first, last }: Chunk): Float32Array {
  if (last - first === WINDOW) return pcm.slice(first, last);
  const padded = new Float32Array(WINDOW);
  padded.set(pcm.subarray(first, last));
  return padded;
}
