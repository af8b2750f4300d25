import type { Utterance } from "../../src/speech/transcribe.ts";
import type { SpeechEvent, VoiceActivity } from "../../src/speech/voiceActivity.ts";

/** Milliseconds of sound, each sample the ms it lies in: so that a clip shows where it came from. */
export function clock(ms: number): Float32Array {
  return Float32Array.from({ length: ms * 16 }, (_, i) => Math.floor(i / 16));
}

/** A sound in pieces of so many samples. */
export async function* pieces(pcm: Float32Array, size: number): AsyncGenerator<Float32Array> {
  for (let at = 0; at < pcm.length; at += size) yield pcm.subarray(at, at + size);
}

/** Speech where it is said to be; an end is known `delay` ms after it, a beginning too. */
export function speechAt(spans: readonly (readonly [number, number])[], delay = 0): VoiceActivity {
  const moments = spans.flatMap(([start, end]): [number, SpeechEvent][] => [
    [start + delay, [start, -1]],
    [end + delay, [-1, end]],
  ]);
  let heard = 0;
  const due = () => {
    const events: SpeechEvent[] = [];
    while (moments.length > 0 && moments[0][0] <= heard) events.push(moments.shift()![1]);
    return events;
  };
  return {
    async push(pcm) {
      heard += pcm.length / 16;
      return due();
    },
    async finish() {
      heard = Number.POSITIVE_INFINITY;
      return due();
    },
    close: () => {},
  };
}

/** Hears the first and the last sample of each clip, and one word in the middle. */
export async function hearEnds(clips: readonly Float32Array[]): Promise<Utterance[]> {
  return clips.map((pcm) => {
    const text = `${pcm[0]}-${pcm.at(-1)}`;
    const words = [{ word: text, start: 0.1, end: 0.2, confidence: 1 }];
    return { text, raw: text, tokens: [1], language: "en", emotion: "neutral", events: [], words, confidence: 1 };
  });
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
