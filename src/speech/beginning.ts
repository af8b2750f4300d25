import { SAMPLE_RATE } from "../audio/pcm.ts";
import type { TranscribeOptions } from "./options.ts";
import type { Segment } from "./segment.ts";
import type { Utterance } from "./transcribe.ts";

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

/** What was heard of a short sound, as its only segment. */
export function wholeSegment(heard: Utterance & { readonly duration: number; readonly timings: unknown }): Segment {
  const { duration, timings, ...said } = heard;
  return { start: 0, end: Math.round(duration * 1000) / 1000, ...said };
}

/** What was asked of how to cut a sound; a short one is cut, too, if anything was. */
export function cuttingOf(options: TranscribeOptions): Partial<TranscribeOptions> {
  const { vad, mergeSeconds, maxSegmentSeconds, batchSeconds, endSilenceMs, speechThreshold, padMs } = options;
  const { speakers = false, speakerMode, people } = options;
  const cut = { vad, mergeSeconds, maxSegmentSeconds, batchSeconds, endSilenceMs, speechThreshold, padMs };
  const voices = speakers === false ? {} : { speakers, speakerMode, people };
  return Object.fromEntries(Object.entries({ ...cut, ...voices }).filter(([, value]) => value !== undefined));
}

export function asksToCut(options: TranscribeOptions): boolean {
  return Object.keys(cuttingOf(options)).length > 0;
}
