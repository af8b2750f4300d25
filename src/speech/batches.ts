import { untilAborted } from "../pause.ts";

/** Batches on their way: while one is computed, the features of the next are, and its work is recorded. */
const IN_FLIGHT = 2;

/** What work is made of, as it comes. */
export interface WorkSource<A> {
  /** Resolves once `take` has something, or nothing comes any more; undefined: at once. */
  ready(): Promise<void> | undefined;
  /** undefined at the end. */
  take(): A | undefined;
}

/** The results of works in order, two of which are under way at a time. The first that fails ends it. */
export async function* pipelined<A, R>(
  source: WorkSource<A>,
  work: (item: A) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<R, void> {
  const inFlight: Promise<R>[] = [];
  let ended = false;
  while (!ended || inFlight.length > 0) {
    if (!ended && inFlight.length < IN_FLIGHT) {
      const ready = source.ready()?.then(() => true);
      const done = () => inFlight.map((result) => result.then(() => false));
      if (!ready || (await untilAborted(Promise.race([...done(), ready]), signal))) {
        const item = source.take();
        ended = item === undefined;
        if (item !== undefined) inFlight.push(work(item));
        inFlight.at(-1)?.catch(() => {}); // awaited below, or another error came first
        continue;
      }
    }
    const [first] = inFlight.splice(0, 1);
    if (first) yield await first;
  }
}

/**
 * Which clips are heard together: those of similar length, the longest first, so that too long a one fails at once.
 *
 * @param most what the lengths of a batch may be in all, but for one clip that is longer
 * @returns the clips of each batch, by their place in `lengths`
 */
export function batchesOf(lengths: readonly number[], most: number): number[][] {
  const batches: number[][] = [];
  let sum = Number.POSITIVE_INFINITY;
  for (const clip of [...lengths.keys()].sort((a, b) => lengths[b] - lengths[a])) {
    sum += lengths[clip];
    if (sum > most) {
      batches.push([]);
      sum = lengths[clip];
    }
    batches.at(-1)?.push(clip);
  }
  return batches;
}

/** What is heard in clips, in their order: in batches of at most so many samples. */
export async function hearInBatches<R>(
  clips: readonly Float32Array[],
  most: number,
  hear: (batch: readonly Float32Array[]) => Promise<readonly R[]>,
  signal?: AbortSignal,
): Promise<R[]> {
  const lengths = clips.map(({ length }) => length);
  const waiting = batchesOf(lengths, most);
  const source = { ready: () => undefined, take: () => waiting.shift() };
  const work = async (batch: readonly number[]) => ({ batch, results: await hear(batch.map((clip) => clips[clip])) });
  const heard: R[] = [];
  for await (const { batch, results } of pipelined(source, work, signal)) {
    for (const [i, clip] of batch.entries()) heard[clip] = results[i];
  }
  return heard;
}
