import { SAMPLE_RATE } from "../audio/pcm.ts";
import { LONGEST_PAUSE, type Merger, type Span } from "./merge.ts";
import type { SpeechEvent, VoiceActivity } from "./voiceActivity.ts";

/** The sound of a segment to be. Times are in ms from the start of the recording. */
export interface Clip {
  readonly start: number;
  readonly end: number;
  readonly pcm: Float32Array;
  /** Where in it somebody speaks, in order; times as above. */
  readonly speech: readonly Span[];
}

/** Speech may turn out to have begun so many ms before what was heard last, more than the longest stretch of it. */
const LOOK_BACK = 60_000;
const SAMPLES = SAMPLE_RATE / 1000;

/** Cuts a recording into clips while it comes in. Holds no more of it than the clips to come can need. */
export interface Cutter {
  push(pcm: Float32Array): Promise<Clip[]>;
  finish(): Promise<Clip[]>;
  /** The clip that would be if speech ended now; undefined while nobody speaks. */
  open(): Clip | undefined;
  /** Gives up a recording that is not finished. */
  close(): void;
  /** Milliseconds heard. */
  readonly heard: number;
  /** Milliseconds of sound that are kept for clips to come. */
  readonly held: number;
}

/** @param maxSegmentMs the longest stretch of speech that `activity` tells of */
export function createCutter(activity: VoiceActivity, merger: Merger, maxSegmentMs = 30_000): Cutter {
  const lookBack = LOOK_BACK + maxSegmentMs;
  const sound = createSampleBuffer();
  let speechFrom: number | undefined;
  /** Where speech began or ended last. */
  let latest = 0;
  /** Stretches of speech that no clip has had yet. */
  let speech: Span[] = [];
  const clipOf = ([start, end]: Span): Clip => {
    const inside = speech.filter(([begin]) => begin < end);
    speech = speech.slice(inside.length);
    return { start, end, pcm: sound.slice(start * SAMPLES, end * SAMPLES), speech: inside };
  };
  const ended = (end: number): Span[] => {
    speech.push([speechFrom ?? end, end]);
    speechFrom = undefined;
    return merger.end(end);
  };
  const clipsOf = (events: readonly SpeechEvent[]): Clip[] => {
    const spans = events.flatMap(([start, end]): Span[] => {
      const begun = start < 0 ? [] : merger.begin(start);
      if (start >= 0) speechFrom = start;
      latest = Math.max(latest, start, end);
      return end < 0 ? begun : [...begun, ...ended(end)];
    });
    const heard = sound.end / SAMPLES;
    if (speechFrom === undefined && heard - lookBack - latest > LONGEST_PAUSE) spans.push(...merger.close());
    const clips = spans.map(clipOf).filter(({ pcm }) => pcm.length > 0);
    const oldest = Math.min(merger.oldest() ?? Infinity, heard - lookBack - LONGEST_PAUSE);
    sound.dropBefore(oldest * SAMPLES);
    return clips;
  };
  return {
    async push(pcm) {
      sound.add(pcm);
      return clipsOf(await activity.push(pcm));
    },
    async finish() {
      const clips = clipsOf(await activity.finish());
      if (speechFrom !== undefined) clips.push(...ended(Math.floor(sound.end / SAMPLES)).map(clipOf));
      return [...clips, ...merger.close().map(clipOf)];
    },
    open() {
      if (speechFrom === undefined) return undefined;
      const end = Math.floor(sound.end / SAMPLES);
      const pcm = sound.slice(speechFrom * SAMPLES, end * SAMPLES);
      return { start: speechFrom, end, pcm, speech: [[speechFrom, end]] };
    },
    close: () => activity.close(),
    get heard() {
      return sound.end / SAMPLES;
    },
    get held() {
      return (sound.end - sound.start) / SAMPLES;
    },
  };
}

/** The latest samples of a recording, at their places in the whole of it. */
function createSampleBuffer() {
  let parts: Float32Array[] = [];
  let [start, end] = [0, 0];
  return {
    get start() {
      return start;
    },
    get end() {
      return end;
    },
    add(pcm: Float32Array): void {
      parts.push(pcm);
      end += pcm.length;
    },
    /** A copy of what there is between two places. */
    slice(from: number, to: number): Float32Array {
      const out = new Float32Array(Math.max(0, Math.min(to, end) - from));
      let at = start - from;
      for (const part of parts) {
        if (at < out.length && at + part.length > 0) {
          const piece = part.subarray(Math.max(0, -at), out.length - at);
          out.set(piece, Math.max(0, at));
        }
        at += part.length;
      }
      return out;
    },
    dropBefore(place: number): void {
      let unneeded = 0;
      for (; unneeded < parts.length && start + parts[unneeded].length <= place; unneeded++) {
        start += parts[unneeded].length;
      }
      if (unneeded > 0) parts = parts.slice(unneeded);
    },
  };
}
