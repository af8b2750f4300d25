import { concat, SAMPLE_RATE } from "../audio/pcm.ts";
import type { Engine, Hotword, RunOptions, Segment, SpeakerOptions, TranscribeOptions } from "../node.ts";
import { createPause } from "../pause.ts";
import { asksToCut, continued, cuttingOf, takeBeginning, wholeSegment } from "../speech/beginning.ts";
import { type SpeakerArguments, speakerOptions } from "./people.ts";
import { openInput } from "./readInput.ts";

/** What a command line asks of a run. */
export interface AskOptions extends RunOptions {
  readonly banEmoUnk?: boolean;
  /** What was in the file; these come beside `hotwords`. */
  readonly hotwordsFile?: readonly Hotword[];
}

/** And of a sound. */
export interface HearOptions
  extends AskOptions,
    SpeakerArguments,
    Omit<TranscribeOptions, "onProgress" | keyof SpeakerOptions> {}

/** What is known once all of a sound was heard. */
export interface HeardSound {
  /** Seconds. */
  readonly duration: number;
  /** Milliseconds of wall time: see Timings; for a sound heard in parts only the total. */
  readonly timings: { readonly total: number };
}

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
  const run = runOptions(options);
  const { people, ...cuts } = options;
  const cutting = cuttingOf({ ...cuts, ...(await speakerOptions(options)) });
  const start = performance.now();
  const sound = openInput(file);
  try {
    const beginning = asksToCut(cutting) ? { pieces: [], more: true } : await takeBeginning(sound);
    if (!beginning.more) {
      const pcm = await concat(beginning.pieces, createPause());
      const heard = await engine.run(pcm, run);
      yield wholeSegment(heard);
      onProgress?.(heard.duration);
      return { duration: heard.duration, timings: heard.timings };
    }
    let samples = 0;
    const counted = async function* () {
      for await (const pcm of continued(beginning, sound)) {
        samples += pcm.length;
        yield pcm;
      }
    };
    yield* engine.transcribe(counted(), { ...run, mergeSeconds: merged, ...cutting, onProgress });
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
