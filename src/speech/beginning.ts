import { SAMPLE_RATE } from "../audio/pcm.ts";
import type { TranscribeOptions } from "./options.ts";

/** Longer sound is cut where nobody speaks: the model learned from less than this. */
const WHOLE_SECONDS = 30;

/** The beginning of a sound: all of it, unless there is `more`. */
export interface Beginning {
  readonly pieces: readonly Float32Array[];
  readonly more: boolean;
}

/** Takes so much of a sound that it is known whether it is short enough to be heard as one segment. */
export async function takeBeginning(sound: AsyncGenerator<Float32Array>): Promise<Beginning> {
  const pieces: Float32Array[] = [];
  for (let samples = 0; samples <= WHOLE_SECONDS * SAMPLE_RATE; ) {
    const { value, done } = await sound.next();
    if (done) return { pieces, more: false };
    pieces.push(value);
    samples += value.length;
  }
  return { pieces, more: true };
}

/** The whole sound again. */
export async function* continued(
  { pieces }: Beginning,
  rest: AsyncIterable<Float32Array>,
): AsyncGenerator<Float32Array> {
  yield* pieces;
  yield* rest;
}

/** Whether it was asked for how to cut a sound: then a short one is cut, too. */
export function asksToCut(options: TranscribeOptions): boolean {
  const { vad, mergeSeconds, maxSegmentSeconds, batchSeconds, endSilenceMs, speechThreshold, padMs } = options;
  const cut = [vad, mergeSeconds, maxSegmentSeconds, batchSeconds, endSilenceMs, speechThreshold, padMs];
  return cut.some((option) => option !== undefined);
}
