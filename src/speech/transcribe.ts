import { pipelined } from "./batches.ts";
import type { Clip, Cutter } from "./cut.ts";
import { readAhead } from "./readAhead.ts";
import type { Segment } from "./segment.ts";

/** What was said in a clip; its words' times count from the clip's start. */
export type Utterance = Omit<Segment, "start" | "end">;

/** Recognises a batch of clips. */
export type Hear = (clips: readonly Float32Array[]) => Promise<readonly Utterance[]>;

export interface PipelineOptions {
  /** Milliseconds of sound that are recognised at a time, but for one clip that is longer. */
  readonly batchMs: number;
  readonly signal?: AbortSignal;
  /** Called with each clip, in order, before the next one is cut. */
  readonly onClip?: (clip: Clip) => Promise<void>;
  /** Called with the seconds of the recording that are done. */
  readonly onProgress?: (seconds: number) => void;
}

/**
 * From sound to segments as a pipeline: cutting goes on while clips are recognised. A batch is what waits when the
 * recogniser is free: so the first segment comes early, and a fast source fills the batches.
 *
 * If the source fails, the segments before that come first.
 */
export async function* transcribe(
  sound: AsyncIterable<Float32Array>,
  cutter: Cutter,
  hear: Hear,
  { batchMs, signal, onClip, onProgress }: PipelineOptions,
): AsyncGenerator<Segment> {
  let left = false;
  const ahead = readAhead(
    follow(
      cut(sound, cutter, () => left),
      onClip,
    ),
    ({ start, end }) => end - start,
    Math.max(1, 2 * batchMs),
  );
  const recognise = async (clips: readonly Clip[]) => {
    const heard = await hear(clips.map(({ pcm }) => pcm));
    return clips.map((clip, i) => segmentOf(clip, heard[i]));
  };
  const source = {
    ready: () => ahead.ready(),
    take: () => {
      const clips = ahead.take(batchMs);
      return clips.length > 0 ? clips : undefined;
    },
  };
  try {
    for await (const segments of pipelined(source, recognise, signal)) {
      for (const segment of segments) {
        yield segment;
        onProgress?.(segment.end);
      }
    }
    const failure = ahead.failure();
    if (failure) throw failure.error;
    onProgress?.(cutter.heard / 1000);
  } finally {
    left = true;
    ahead.stop();
  }
}

/**
 * The clips of a recording.
 *
 * @param left whether nobody wants more: a source may have no more speech, and no end
 */
export async function* cut(
  sound: AsyncIterable<Float32Array>,
  cutter: Cutter,
  left = () => false,
): AsyncGenerator<Clip> {
  try {
    for await (const pcm of sound) {
      if (left()) return;
      yield* await cutter.push(pcm);
    }
    yield* await cutter.finish();
  } finally {
    cutter.close();
  }
}

async function* follow(clips: AsyncGenerator<Clip>, onClip: PipelineOptions["onClip"]): AsyncGenerator<Clip> {
  for await (const clip of clips) {
    yield clip;
    await onClip?.(clip);
  }
}

/** A clip's answer at its place in the recording. */
export function segmentOf({ start, end }: Clip, heard: Utterance): Segment {
  const shift = (seconds: number) => Math.round(seconds * 1000 + start) / 1000;
  const { text, raw, tokens, language, emotion, events, words, confidence, logProbs } = heard;
  return {
    start: start / 1000,
    end: end / 1000,
    text,
    raw,
    tokens,
    language,
    emotion,
    events,
    words: words?.map((word) => ({ ...word, start: shift(word.start), end: shift(word.end) })) ?? null,
    confidence,
    ...(logProbs && { logProbs }),
  };
}
