import { concat, SAMPLE_RATE } from "../audio/pcm.ts";
import type { Engine, Hotword, RunOptions, Segment, TranscribeOptions } from "../node.ts";
import { createPause } from "../pause.ts";
import { openInput } from "./readInput.ts";

/** What a command line asks of a run. */
export interface AskOptions extends RunOptions {
  readonly banEmoUnk?: boolean;
  /** What was in the file; these come beside `hotwords`. */
  readonly hotwordsFile?: readonly Hotword[];
}

/** And of a sound. */
export interface HearOptions extends AskOptions, Omit<TranscribeOptions, "onProgress"> {}

/** What is known once all of a sound was heard. */
export interface HeardSound {
  /** Seconds. */
  readonly duration: number;
  /** Milliseconds of wall time: see Timings; for a sound heard in parts only the total. */
  readonly timings: { readonly total: number };
}

/** Longer sound is cut where nobody speaks: the model learned from less than this. */
const WHOLE_SECONDS = 30;

/**
 * The segments of a file, or of standard input. A short sound is one segment, unless it was asked for how to cut.
 *
 * @param onProgress called with the seconds that are done
 * @param merged how long the segments of a long one are, unless asked for
 */
export async function* hearInput(
  engine: Engine,
  file: string,
  options: HearOptions,
  onProgress?: (seconds: number) => void,
  merged?: number,
): AsyncGenerator<Segment, HeardSound> {
  const { vad, mergeSeconds, maxSegmentSeconds, batchSeconds, endSilenceMs, speechThreshold, padMs } = options;
  const cut = { vad, mergeSeconds, maxSegmentSeconds, batchSeconds, endSilenceMs, speechThreshold, padMs };
  const run = runOptions(options);
  const start = performance.now();
  const sound = openInput(file);
  try {
    const asked = Object.values(cut).some((option) => option !== undefined);
    const { head, more } = await takeSeconds(sound, asked ? 0 : WHOLE_SECONDS);
    if (!more) {
      const { duration, timings, ...said } = await engine.run(await concat(head, createPause()), run);
      yield { start: 0, end: Math.round(duration * 1000) / 1000, ...said };
      onProgress?.(duration);
      return { duration, timings };
    }
    let samples = 0;
    const counted = async function* () {
      for await (const pcm of chain(head, sound)) {
        samples += pcm.length;
        yield pcm;
      }
    };
    yield* engine.transcribe(counted(), { ...run, ...cut, mergeSeconds: mergeSeconds ?? merged, onProgress });
    return { duration: samples / SAMPLE_RATE, timings: { total: performance.now() - start } };
  } finally {
    sound.return(undefined).catch(() => {}); // not waited for: it may hang
  }
}

/** What a command's options ask of a run. */
export function runOptions(options: AskOptions): RunOptions {
  const { language, languages, itn, punctuation, timestamps, banEmoUnk: banUnknownEmotion } = options;
  const hotwords = [...(options.hotwords ?? []), ...(options.hotwordsFile ?? [])];
  return { language, languages, hotwords, itn, punctuation, timestamps, banUnknownEmotion };
}

/** The first pieces of a sound, until they are longer than so much, and whether there may be more. */
async function takeSeconds(sound: AsyncGenerator<Float32Array>, seconds: number) {
  const head: Float32Array[] = [];
  for (let samples = 0; samples <= seconds * SAMPLE_RATE; ) {
    const { value, done } = await sound.next();
    if (done) return { head, more: false };
    head.push(value);
    samples += value.length;
  }
  return { head, more: true };
}

async function* chain<T>(head: readonly T[], rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield* head;
  yield* rest;
}
