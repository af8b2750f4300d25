import { describe, expect, test } from "vitest";
import { randomTensor, randomVadConfig } from "../../scripts/random-weights.ts";
import { SenseVoiceError } from "../../src/error.ts";
import { DEFAULT_DETECTOR, type DetectorOptions } from "../../src/model/fsmnVad/config.ts";
import type { VadModel } from "../../src/model/fsmnVad/network.ts";
import type { Vad } from "../../src/options.ts";
import { type ActivityOptions, checkVoice, createActivity } from "../../src/speech/activity.ts";
import type { DetectOptions } from "../../src/speech/options.ts";
import { eventsOf } from "../support/vad.ts";

/** What is spoken: from when to when, in seconds; the pauses are 0.6 and 1.5 s. */
const SPOKEN = [
  [2, 3],
  [3.6, 5],
  [6.5, 8],
] as const;
const SECONDS = 12;
const isSpeech = (seconds: number) => SPOKEN.some(([from, to]) => seconds >= from && seconds < to);

/** FSMN-VAD in a room where silence has this probability while somebody speaks, else 1 less that. */
function vadModel(silence: number, detector: Partial<DetectorOptions> = {}): VadModel {
  const config = randomVadConfig({ ...DEFAULT_DETECTOR, ...detector });
  const size = config.encoder.inputSize;
  const cmvn = { shift: new Float32Array(size), scale: new Float32Array(size) };
  const open = () => {
    let frame = 0;
    const next = () => (isSpeech(frame++ / 100) ? silence : 1 - silence);
    const answer = async (features: Float32Array) => Float32Array.from({ length: features.length / size }, next);
    return { silence: answer, close: () => {} };
  };
  return { config, cmvn, open, release: () => {} };
}

/** A sound that is loud where somebody speaks, and the tokens that the recogniser has there. */
const sound = randomTensor("noise", [SECONDS * 16_000]).data.map((x, i) => x * (isSpeech(i / 16_000) ? 0.3 : 0.001));
const bestTokens = async (pcm: Float32Array) => {
  return Float32Array.from({ length: Math.ceil(pcm.length / 960) }, (_, row) => Number(isSpeech(row * 0.06)));
};

/** From when to when somebody speaks. */
async function spans(vad: Vad, given: Partial<ActivityOptions> = {}): Promise<[number, number][]> {
  const options = { model: vadModel(0.01), bestTokens, maxSegmentMs: 30_000, ...given };
  const found: [number, number][] = [];
  for (const [start, end] of await eventsOf(createActivity(vad, options), [sound])) {
    if (start >= 0) found.push([start, end]);
    else found[found.length - 1][1] = end;
  }
  return found;
}

describe.each(["fsmn", "energy", "model"] as const)("%s", (vad) => {
  test("silence as long as is asked for ends a segment", async () => {
    expect(await spans(vad, { endSilenceMs: 400 })).toHaveLength(3);
    expect(await spans(vad, { endSilenceMs: 1000 })).toHaveLength(2);
    expect(await spans(vad, { endSilenceMs: 2500.4 })).toHaveLength(1);
  });

  test("a segment has so much in front of its speech, and no more than that beyond what noticing it takes", async () => {
    for (const padMs of [0, 123.4, 1000]) {
      const [[start], [next]] = await spans(vad, { endSilenceMs: 1000, padMs });
      const most = vad === "model" ? Math.min(padMs, 510) : padMs; // half of 17 rows of silence
      for (const [begun, spoken] of [
        [start, 2000],
        [next, 6500],
      ]) {
        expect(spoken - begun).toBeGreaterThanOrEqual(most - (vad === "model" ? 60 : 10)); // up to a row, a frame later
        expect(spoken - begun).toBeLessThan(most + 100);
        expect(Number.isInteger(begun)).toBe(true);
      }
    }
  });

  test("in short segments it leaves room for speech", async () => {
    const found = await spans(vad, { padMs: 5000, endSilenceMs: 500, maxSegmentMs: 1000 });
    for (const [start, end] of found) expect(end - start).toBeLessThanOrEqual(1010);
    expect(found.length).toBeGreaterThan(4);
  });
});

describe("fsmn", () => {
  test("padMs counts for a model, too, whose folder has no extension of segments", async () => {
    const model = vadModel(0.01, { extend: false });
    const [[start]] = await spans("fsmn", { padMs: 500 });
    expect((await spans("fsmn", { padMs: 500, model }))[0][0]).toBe(start);
    expect((await spans("fsmn", { model }))[0][0]).toBeGreaterThan(start);
  });

  test.each([
    ["by the schedule", undefined, 0.5],
    ["after a fixed silence", 1000, 0.6],
  ])(
    "speech is what is more probable than silence by speechThreshold; unless given, %s, %s %s",
    async (_, endSilenceMs, usual) => {
      const heard = async (silence: number, speechThreshold?: number) => {
        return (await spans("fsmn", { model: vadModel(silence), endSilenceMs, speechThreshold })).length > 0;
      };
      for (const threshold of [0, 0.2, 0.7, 0.95]) {
        const edge = (1 - threshold) / 2; // 1 − p ≥ p + threshold
        expect(await heard(edge - 0.01, threshold)).toBe(true);
        // Above one half the rest is speech.
        if (edge + 0.01 < 0.5) expect(await heard(edge + 0.01, threshold)).toBe(false);
      }
      expect(await heard((1 - usual) / 2 - 0.01)).toBe(true);
      expect(await heard((1 - usual) / 2 + 0.01)).toBe(false);
      expect(await heard(0, 1)).toBe(true);
      expect(await heard(0.001, 1)).toBe(false);
    },
  );

  test("live, the thresholds are the same", async () => {
    const model = vadModel(0.3);
    expect(await spans("fsmn", { model, live: true, speechThreshold: 0.3 })).toEqual(
      await spans("fsmn", { model, speechThreshold: 0.3 }),
    );
    expect(await spans("fsmn", { model, live: true, speechThreshold: 0.5 })).toEqual([]);
  });
});

test.each<[DetectOptions, string]>([
  [{ endSilenceMs: -1 }, "[engine] endSilenceMs: expected a number from 0 to 10000, got -1"],
  [{ endSilenceMs: Number.NaN }, "[engine] endSilenceMs: expected a number from 0 to 10000, got null"],
  [{ endSilenceMs: "500" as never }, '[engine] endSilenceMs: expected a number from 0 to 10000, got "500"'],
  [{ speechThreshold: 1.1 }, "[engine] speechThreshold: expected a number from 0 to 1, got 1.1"],
  [{ padMs: 5001 }, "[engine] padMs: expected a number from 0 to 5000, got 5001"],
  [{ vad: "none", endSilenceMs: 500 }, "[engine] endSilenceMs: expected vad fsmn, model, energy with it, got none"],
  [{ vad: "none", padMs: 0 }, "[engine] padMs: expected vad fsmn, model, energy with it, got none"],
  [{ vad: "energy", speechThreshold: 0.5 }, "[engine] speechThreshold: expected vad fsmn with it, got energy"],
  [{ vad: "model", speechThreshold: 0.5 }, "[engine] speechThreshold: expected vad fsmn with it, got model"],
])("a setting that cannot be kept is refused: %j", (options, message) => {
  expect(() => checkVoice(options)).toThrow(new SenseVoiceError(message));
});

test("settings that can be kept are taken; without a kind asked for, those of any", () => {
  const all = { endSilenceMs: 0, speechThreshold: 1, padMs: 5000 };
  expect(() => checkVoice({ vad: "fsmn", ...all })).not.toThrow();
  expect(() => checkVoice(all)).not.toThrow();
  expect(() => checkVoice({ vad: "energy", endSilenceMs: 10_000, padMs: 0 })).not.toThrow();
});
