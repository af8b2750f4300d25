import { scoreRecording } from "../../src/eval/diarization.ts";
import type { SpeakerModel } from "../../src/model/campplus/network.ts";
import type { Segment } from "../../src/node.ts";
import type { Hear } from "../../src/speech/transcribe.ts";
import { randomizer } from "../support/random.ts";
import { type Recording, recordingOf } from "../support/recording.ts";

// No weights of a trained speaker model can be had here, so embeddings are given by hand: what a window would have of each
// voice that is in it. Everything else is what runs.

/** Each sample's voice; the two of one person are moods of theirs. */
const VOICES = ["en.wav", "zh.wav", "ja.wav", "yue.wav", "ko.wav", "zh-happy.wav"] as const;
export const SIZE = 192;

export interface Conversation extends Recording {
  readonly names: readonly string[];
}

export async function conversation(names: readonly string[], pause: number): Promise<Conversation> {
  return { names, ...(await recordingOf(names, pause)) };
}

/** Where in a conversation some of its samples come from; no two places are alike, for there is noise in it. */
export function placeOf({ pcm }: Conversation, part: Float32Array): number {
  let from = pcm.indexOf(part[0]);
  while (pcm[from + 99] !== part[99]) from = pcm.indexOf(part[0], from + 1);
  return from;
}

/** Embeddings of length 5 to 20: of one voice with a mean cosine of about 0.7, of two with about 0.1. */
export function modelOf(talk: Conversation): SpeakerModel & { asked: number } {
  const { places, names } = talk;
  const random = randomizer(7);
  const direction = () => {
    const values = random([SIZE], 1).data as Float32Array;
    const length = Math.hypot(...values);
    return values.map((value) => value / length);
  };
  const common = direction();
  const voices = new Map(VOICES.map((name) => [name as string, direction().map((v, i) => v + 0.35 * common[i])]));
  const voiceAt = (sample: number) =>
    names[places.findIndex(([from, to]) => sample >= from * 16_000 && sample < to * 16_000)];
  const model = {
    config: { embeddingSize: SIZE } as SpeakerModel["config"],
    asked: 0,
    release: () => {},
    async embed(windows: readonly Float32Array[]) {
      model.asked += windows.length;
      return windows.map((window) => {
        const from = placeOf(talk, window);
        const noise = direction();
        const embedding = Float32Array.from(noise, (value) => 0.65 * value);
        for (let at = 0; at < window.length; at += 80) {
          const voice = window[at] === 0 ? undefined : voices.get(voiceAt(from + at) ?? "");
          if (voice) for (let i = 0; i < SIZE; i++) embedding[i] += voice[i] * (80 / window.length);
        }
        const loud = 5 + 15 * Math.abs(noise[0]) * 10;
        return embedding.map((value) => value * loud);
      });
    },
  };
  return model;
}

/** Words of a quarter of a second, as they are said by whoever speaks: "en" all along en.wav. */
export function words({ names, places }: Conversation) {
  return places.flatMap(([from, to], i) => {
    const count = Math.floor((to - from) * 4);
    const word = names[i].replace(/\W.*/, "");
    return Array.from({ length: count }, (_, k) => ({
      word,
      start: from + k / 4,
      end: from + (k + 0.8) / 4,
      confidence: 1,
    }));
  });
}

/** What is said in clips of it, word by word. */
export function recogniser(talk: Conversation): Hear {
  return async (clips) =>
    clips.map((pcm) => {
      const start = placeOf(talk, pcm) / 16_000;
      const said = words(talk).filter((word) => word.start >= start - 0.01 && word.start < start + pcm.length / 16_000);
      const text = said.map(({ word }) => word).join(" ");
      const own = said.map((word) => ({ ...word, start: word.start - start, end: word.end - start }));
      const tags = { language: "en", emotion: "happy", events: [] } as const;
      return { text, raw: `<|en|><|HAPPY|><|Speech|><|woitn|>${text}`, tokens: [], ...tags, words: own, confidence: 1 };
    });
}

/** How many speakers there are said to be, and the share of words that another said than who is said to. */
export function judged({ names, places }: Conversation, segments: readonly Segment[]) {
  const reference = names.map((speaker, i) => ({ speaker, start: places[i][0], end: places[i][1] }));
  const said = segments.flatMap(({ words }) => words ?? []);
  const hypothesis = said.flatMap(({ speaker, start, end }) => (speaker ? [{ speaker, start, end }] : []));
  const { speakers, errors } = scoreRecording("a", reference, hypothesis, [{ collar: 0, overlap: true }]);
  return {
    speakers,
    words: said.length,
    wrong: errors[0].confusion / said.reduce((sum, { start, end }) => sum + end - start, 0),
  };
}
