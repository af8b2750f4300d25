import { describe, expect, test } from "vitest";
import type { SpeakerModel } from "../../src/model/campplus/network.ts";
import type { LiveOptions, LiveResult } from "../../src/node.ts";
import { coarse } from "../../src/speakers/chunks.ts";
import { OnlineVoices } from "../../src/speakers/live.ts";
import { createActivity } from "../../src/speech/activity.ts";
import type { Clip } from "../../src/speech/cut.ts";
import { createCutter } from "../../src/speech/cut.ts";
import { type LiveSpeakers, listen } from "../../src/speech/live.ts";
import { createSplitter } from "../../src/speech/merge.ts";
import type { Segment } from "../../src/speech/segment.ts";
import { checkLiveSpeakers } from "../../src/speech/speakerOptions.ts";
import { all } from "../speech/support.ts";
import { type Conversation, conversation, judged, modelOf, recogniser, words } from "./support.ts";

/** As the engine does it, with models of ours. */
async function hear(talk: Conversation, options: LiveOptions, model = modelOf(talk)): Promise<LiveResult[]> {
  const cutter = createCutter(createActivity("energy", { maxSegmentMs: 30_000 }), createSplitter(), 30_000);
  const sound = async function* () {
    for (let at = 0; at < talk.pcm.length; at += 16_000) {
      yield talk.pcm.slice(at, at + 16_000);
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const hearTimed = recogniser(talk);
  const loaded = Promise.resolve<LiveSpeakers>(new OnlineVoices(model, options));
  return all(listen(sound(), cutter, hearTimed, { partialMs: 2000, speakers: { loaded, hearTimed } }));
}

const finals = (results: readonly LiveResult[]) => results.filter(({ final }) => final);

describe("live conversations of the samples' voices, embeddings given by hand", () => {
  test.each([
    ["two voices, five turns", ["en.wav", "zh.wav", "en.wav", "zh.wav", "en.wav"], 1.2],
    ["three voices", ["en.wav", "ja.wav", "zh.wav", "en.wav", "zh.wav", "ja.wav", "en.wav"], 1.2],
    ["one voice", ["en.wav", "en.wav", "en.wav"], 1.2],
    ["two voices without a pause to cut at", ["en.wav", "zh.wav", "en.wav"], 0.3],
  ] as const)("%s: final results have their speakers, partial ones none", async (_, names, pause) => {
    const talk = await conversation(names, pause);
    const results = await hear(talk, { speakers: true, timestamps: true });
    const { speakers, wrong, ...heard } = judged(talk, finals(results));
    expect(speakers).toEqual({ reference: new Set(names).size, hypothesis: new Set(names).size });
    expect(heard.words).toBe(words(talk).length);
    expect(wrong).toBeLessThan(0.08);
    const partial = results.filter(({ final }) => !final);
    expect(partial.length).toBeGreaterThan(0);
    expect(partial.filter(({ speaker }) => speaker !== undefined)).toEqual([]);
    for (const { speaker, words, text, stable } of finals(results)) {
      expect(new Set(words?.map((word) => word.speaker))).toEqual(new Set([speaker]));
      expect(stable).toBe(text.length);
    }
  });

  test("a stretch of two voices is divided, and its text with it", async () => {
    const talk = await conversation(["en.wav", "zh.wav"], 0.3);
    const results = finals(await hear(talk, { speakers: true }));
    expect(results.map(({ speaker, text, words }) => [speaker, new Set(text.split(" ")), words])).toEqual([
      ["S1", new Set(["en"]), null],
      ["S2", new Set(["zh"]), null],
    ]);
    expect(results[0].end).toBeLessThanOrEqual(results[1].start);
  });

  test("whoever is known has their name with their first words; no more speakers than are given", async () => {
    const talk = await conversation(["en.wav", "zh.wav", "en.wav", "ja.wav"], 1.2);
    const [zh] = await modelOf(talk).embed([talk.pcm.slice((talk.places[1][0] + 0.5) * 16_000).slice(0, 24_000)]);
    const people = [{ name: "Ann", embeddings: [zh] }];
    const results = finals(await hear(talk, { speakers: true, people }));
    expect(results.map(({ speaker }) => speaker)).toEqual(["S1", "Ann", "S1", "S3"]);
    expect(results.flatMap(({ renamed = [] }) => renamed)).toEqual([]);
    const two = finals(await hear(talk, { speakers: 2 }));
    expect(new Set(two.map(({ speaker }) => speaker))).toEqual(new Set(["S1", "S2"]));
  });

  test("the same sound gives the same answer", async () => {
    const talk = await conversation(["en.wav", "zh.wav", "en.wav"], 1.2);
    const once = finals(await hear(talk, { speakers: true, timestamps: true }));
    expect(finals(await hear(talk, { speakers: true, timestamps: true }))).toEqual(once);
  });
});

/** A direction of its own for each name, and one between two. */
const DIRECTIONS: Readonly<Record<string, readonly number[]>> = {
  a: [1, 0, 0, 0],
  a2: [0.6, 0.8, 0, 0],
  between: [0.894, 0.447, 0, 0],
  b: [0, 0, 1, 0],
};

/** Clips of 15 s, ten windows, each of one voice; the model reads its name from the samples. */
function clips(names: readonly string[]) {
  const codes = Object.keys(DIRECTIONS);
  const embed: SpeakerModel["embed"] = async (windows) =>
    windows.map((window) => Float32Array.from(DIRECTIONS[codes[window[0]]], (value, i) => value + 0.01 * i));
  const list = names.map((name, i): Clip => {
    const [start, end] = [i * 20_000, i * 20_000 + 15_000];
    return { start, end, pcm: new Float32Array(240_000).fill(codes.indexOf(name)), speech: [[start, end]] };
  });
  return { model: { embed, config: { embeddingSize: 4 } } as unknown as SpeakerModel, list };
}

const said = ({ start, end }: Clip, word = "yes") => {
  const words = word === "" ? [] : [{ word, start: start / 1000, end: start / 1000 + 1, confidence: 1 }];
  return Promise.resolve({
    start: start / 1000,
    end: end / 1000,
    text: word,
    raw: word,
    tokens: [],
    words,
  } as unknown as Segment);
};

async function follow(names: readonly string[], options: LiveOptions = { speakers: true }) {
  const { model, list } = clips(names);
  const voices = new OnlineVoices(model, options);
  const told: (readonly [speaker: string | undefined, renamed?: unknown])[] = [];
  for (const clip of list) {
    for (const { speaker, renamed } of await voices.attribute(clip, said(clip))) {
      told.push(renamed ? [speaker, renamed] : [speaker]);
    }
  }
  return told;
}

describe("labels that were told change only when it is certain", () => {
  test("two speakers who turn out to be one have the first one's label from then on", async () => {
    expect(await follow(["a", "b", "a2", "between", "between", "between", "between", "a", "a2"])).toEqual([
      ...[["S1"], ["S2"], ["S3"], ["S3"], ["S3"], ["S3"]],
      ["S1", [{ from: "S3", to: "S1" }]],
      ...[["S1"], ["S1"]],
    ]);
  });

  test("a name passes to who is more alike by far, and to nobody else", async () => {
    const ann = (...embedding: number[]) => [{ name: "Ann", embeddings: [Float32Array.from(embedding)] }];
    const names = ["a", "a2", "a"];
    expect(await follow(names, { speakers: true, people: ann(0.8, 0.6, 0, 0) })).toEqual([
      ["Ann"],
      ["Ann", [{ from: "Ann", to: "S1" }]],
      ["S1"],
    ]);
    expect(await follow(names, { speakers: true, people: ann(0.87, 0.5, 0, 0) })).toEqual([["Ann"], ["S2"], ["Ann"]]);
  });

  test("who becomes one with somebody known has the name", async () => {
    const people = [{ name: "Ann", embeddings: [Float32Array.of(0.6, 0.8, 0, 0)] }];
    const told = await follow(["b", "a", "a2", "between", "between", "between", "between"], { speakers: 3, people });
    expect(told.slice(0, 3)).toEqual([["S1"], ["Ann"], ["Ann", [{ from: "Ann", to: "S2" }]]]);
    expect(told.at(-1)).toEqual(["Ann", [{ from: "S2", to: "Ann" }]]);
  });
});

test("of live sound there is one way to tell speakers apart", () => {
  expect(() => checkLiveSpeakers({ speakers: 2, speakerMode: "default" })).not.toThrow();
  expect(() => checkLiveSpeakers({ speakers: true, speakerMode: "funasr" })).toThrow(
    "[engine] speakerMode: expected none for live sound, which FunASR has no way for; got funasr",
  );
  expect(() => checkLiveSpeakers({ speakers: 0 })).toThrow("[engine] speakers: expected true, false or how many");
});

test("people of another model are refused", () => {
  const people = [{ name: "Ann", embeddings: [new Float32Array(5)] }];
  expect(() => new OnlineVoices(clips([]).model, { speakers: true, people })).toThrow(
    "[engine] people[0].embeddings: expected 4 numbers each as this speaker model gives them, got 5",
  );
});

test("what has no words adds no speaker and has none", async () => {
  const { model, list } = clips(["b", "a"]);
  const voices = new OnlineVoices(model, { speakers: true });
  const [noise] = await voices.attribute(list[0], said(list[0], ""));
  expect(noise).not.toHaveProperty("speaker");
  expect((await voices.attribute(list[1], said(list[1])))[0].speaker).toBe("S1");
});

test("a clip's windows are embedded while it is recognised; what fails is told", async () => {
  const { model, list } = clips(["a"]);
  let hear = (_: Segment) => {};
  const heard = new Promise<Segment>((resolve) => {
    hear = resolve;
  });
  let embedded = 0;
  const embed: SpeakerModel["embed"] = async (windows) => {
    embedded += windows.length;
    return model.embed(windows);
  };
  const result = new OnlineVoices({ ...model, embed }, { speakers: true }).attribute(list[0], heard);
  await new Promise((resolve) => setImmediate(resolve));
  expect(embedded).toBe(coarse(list[0].pcm.length, list[0].start).length);
  hear(await said(list[0]));
  expect((await result)[0].speaker).toBe("S1");
  const broken = { ...model, embed: () => Promise.reject(new Error("device lost")) };
  await expect(new OnlineVoices(broken, {}).attribute(list[0], said(list[0]))).rejects.toThrow("device lost");
});
