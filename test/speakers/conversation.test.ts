import { describe, expect, test } from "vitest";
import { scoreRecording } from "../../src/eval/diarization.ts";
import type { SpeakerModel } from "../../src/model/campplus/network.ts";
import type { Segment, TranscribeOptions } from "../../src/node.ts";
import { type RecordingOptions, withSpeakers } from "../../src/speakers/recording.ts";
import { createActivity } from "../../src/speech/activity.ts";
import { createCutter } from "../../src/speech/cut.ts";
import { createMerger } from "../../src/speech/merge.ts";
import { type Hear, transcribe } from "../../src/speech/transcribe.ts";
import { all } from "../speech/support.ts";
import { randomizer } from "../support/random.ts";
import { type Recording, recordingOf } from "../support/recording.ts";

// No weights of a trained speaker model can be had here, so embeddings are given by hand: what a window would have of each
// voice that is in it. Everything else is what runs.

/** Each sample's voice; the two of one person are moods of theirs. */
const VOICES = ["en.wav", "zh.wav", "ja.wav", "yue.wav", "ko.wav", "zh-happy.wav"] as const;
const SIZE = 192;

type OnClip = Parameters<Parameters<typeof withSpeakers>[1]>[0];

interface Conversation extends Recording {
  readonly names: readonly string[];
}

async function conversation(names: readonly string[], pause: number): Promise<Conversation> {
  return { names, ...(await recordingOf(names, pause)) };
}

/** Where in a conversation some of its samples come from; no two places are alike, for there is noise in it. */
function placeOf({ pcm }: Conversation, part: Float32Array): number {
  let from = pcm.indexOf(part[0]);
  while (pcm[from + 99] !== part[99]) from = pcm.indexOf(part[0], from + 1);
  return from;
}

/** Embeddings of length 5 to 20: of one voice with a mean cosine of about 0.7, of two with about 0.1. */
function modelOf(talk: Conversation): SpeakerModel & { asked: number } {
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
function words({ names, places }: Conversation) {
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

/** As the engine does it, with models of ours. */
async function hear(
  talk: Conversation,
  options: RecordingOptions & Pick<TranscribeOptions, "mergeSeconds">,
  model = modelOf(talk),
): Promise<Segment[]> {
  const activity = createActivity("energy", { maxSegmentMs: 30_000 });
  const cutter = createCutter(activity, createMerger((options.mergeSeconds ?? 15) * 1000), 30_000);
  const sound = async function* () {
    for (let at = 0; at < talk.pcm.length; at += 16_000) yield talk.pcm.subarray(at, at + 16_000);
  };
  const recognise: Hear = async (clips) =>
    clips.map((pcm) => {
      const start = placeOf(talk, pcm) / 16_000;
      const said = words(talk).filter((word) => word.start >= start - 0.01 && word.start < start + pcm.length / 16_000);
      const text = said.map(({ word }) => word).join(" ");
      const own = said.map((word) => ({ ...word, start: word.start - start, end: word.end - start }));
      const tags = { language: "en", emotion: "happy", events: [] } as const;
      return { text, raw: `<|en|><|HAPPY|><|Speech|><|woitn|>${text}`, tokens: [], ...tags, words: own, confidence: 1 };
    });
  const begin = (onClip: OnClip) => transcribe(sound(), cutter, recognise, { batchMs: 60_000, onClip });
  return all(withSpeakers(model, begin, options));
}

/** How many speakers there are said to be, and the share of words that another said than who is said to. */
function judged({ names, places }: Conversation, segments: readonly Segment[]) {
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

const TALKS: readonly (readonly [string, readonly string[], number])[] = [
  ["two voices, five turns", ["en.wav", "zh.wav", "en.wav", "zh.wav", "en.wav"], 0.3],
  ["two voices, one turn each: fewer than 20 windows", ["zh.wav", "ja.wav"], 0.4],
  ["three voices", ["en.wav", "ja.wav", "zh.wav", "en.wav", "zh.wav", "ja.wav", "en.wav"], 0.3],
  ["four voices", ["en.wav", "yue.wav", "ko.wav", "zh.wav", "yue.wav", "en.wav", "ko.wav", "zh.wav"], 0.35],
  ["one voice", ["en.wav", "en.wav", "en.wav"], 0.5],
];

describe("conversations of the samples' voices, embeddings given by hand", () => {
  test.each(TALKS)("%s: as many speakers, words with whom they belong to", async (_, names, pause) => {
    const talk = await conversation(names, pause);
    const segments = await hear(talk, { speakers: true, timestamps: true });
    const { speakers, wrong, ...heard } = judged(talk, segments);
    expect(speakers).toEqual({ reference: new Set(names).size, hypothesis: new Set(names).size });
    expect(heard.words).toBe(words(talk).length);
    expect(wrong).toBeLessThan(0.08);
    for (const { speaker, words, text } of segments) {
      expect(new Set(words?.map((word) => word.speaker))).toEqual(new Set(words?.length ? [speaker] : []));
      expect(text).not.toMatch(/<\|/);
    }
  });

  test("a segment joined of several turns is divided, and its text with it", async () => {
    const talk = await conversation(["en.wav", "zh.wav"], 0.3);
    const [joined, ...more] = await hear(talk, { speakers: true, speakerMode: "funasr" });
    expect([joined.speaker, ...more]).toEqual(["S1"]);
    const divided = await hear(talk, { speakers: true });
    expect(divided.map(({ speaker, text }) => [speaker, text])).toEqual([
      ["S1", Array.from({ length: 23 }, () => "en").join(" ")],
      ["S2", Array.from({ length: 18 }, () => "zh").join(" ")],
    ]);
    expect(divided.map(({ raw }) => raw)).toEqual(
      divided.map(({ text }) => `<|en|><|HAPPY|><|Speech|><|woitn|>${text}`),
    );
    expect(divided.map(({ words }) => words)).toEqual([null, null]); // they were not asked for
  });

  test("as many as are given; the same sound has the same answer; the first who speaks is S1", async () => {
    const talk = await conversation(["en.wav", "ja.wav", "zh.wav", "en.wav"], 0.3);
    const two = await hear(talk, { speakers: 2, timestamps: true });
    expect(new Set(two.map(({ speaker }) => speaker))).toEqual(new Set(["S1", "S2"]));
    const first = await hear(talk, { speakers: true, timestamps: true });
    expect(await hear(talk, { speakers: true, timestamps: true })).toEqual(first);
    expect(first[0].speaker).toBe("S1");
  });

  test("people of another model's embeddings are refused before anything is heard", async () => {
    const talk = await conversation(["en.wav"], 0.3);
    const model = modelOf(talk);
    const people = [{ name: "Jane", embeddings: [new Float32Array(SIZE), new Float32Array(SIZE + 1)] }];
    await expect(hear(talk, { speakers: true, people }, model)).rejects.toThrow(
      "[engine] people[0].embeddings: expected 192 numbers each as this speaker model gives them, got 193",
    );
    expect(model.asked).toBe(0);
  });

  test("whoever is known has their name", async () => {
    const talk = await conversation(["en.wav", "zh.wav", "en.wav"], 0.3);
    const [en] = await modelOf(talk).embed([talk.pcm.slice(8000, 32_000)]);
    const people = [{ name: "Ann", embeddings: [en] }];
    const segments = await hear(talk, { speakers: true, people });
    expect(segments.map(({ speaker }) => speaker)).toEqual(["Ann", "S2", "Ann"]);
  });

  test("where the sound fails, what was heard before has its speakers", async () => {
    const talk = await conversation(["en.wav", "zh.wav"], 1);
    const model = modelOf(talk);
    const got: Segment[] = [];
    const begin = async function* (onClip: OnClip) {
      const pcm = talk.pcm.slice(16_000, 16_000 + 92_000);
      await onClip({ start: 1000, end: 6750, pcm, speech: [[1000, 6750]] });
      yield { start: 1, end: 6.75, text: "a", raw: "a", tokens: [], words: [], confidence: 1 } as unknown as Segment;
      throw new Error("broken");
    };
    const reading = async () => {
      for await (const segment of withSpeakers(model, begin, { speakers: true })) got.push(segment);
    };
    await expect(reading()).rejects.toThrow("broken");
    expect(got.map(({ speaker }) => speaker)).toEqual(["S1"]);
  });
});
