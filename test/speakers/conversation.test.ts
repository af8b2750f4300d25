import { describe, expect, test } from "vitest";
import type { Segment, TranscribeOptions } from "../../src/node.ts";
import { type RecordingOptions, withSpeakers } from "../../src/speakers/recording.ts";
import { createActivity } from "../../src/speech/activity.ts";
import { createCutter } from "../../src/speech/cut.ts";
import { createMerger } from "../../src/speech/merge.ts";
import { transcribe } from "../../src/speech/transcribe.ts";
import { all } from "../speech/support.ts";
import { type Conversation, conversation, judged, modelOf, recogniser, SIZE, words } from "./support.ts";

type OnClip = Parameters<Parameters<typeof withSpeakers>[1]>[0];

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
  const begin = (onClip: OnClip) => transcribe(sound(), cutter, recogniser(talk), { batchMs: 60_000, onClip });
  return all(withSpeakers(model, begin, options));
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
