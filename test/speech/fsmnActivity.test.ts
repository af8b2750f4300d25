import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readAudio } from "../../src/audio/read.ts";
import { convertModel } from "../../src/convert/convert.ts";
import { SenseVoiceError } from "../../src/error.ts";
import { referenceBackend } from "../../src/kernels/reference/backend.ts";
import { createWasmBackend } from "../../src/kernels/wasm/backend.ts";
import type { VadModel } from "../../src/model/fsmnVad/network.ts";
import { loadVad } from "../../src/model/fsmnVad/open.ts";
import { FsmnActivity } from "../../src/speech/fsmnActivity.ts";
import type { SpeechEvent } from "../../src/speech/voiceActivity.ts";
import type { Backend, LinearWeight, Tensor } from "../../src/tensor/backend.ts";
import { folderSource } from "../../src/weights/folderSource.ts";

import { watchEventLoop } from "../support/eventLoop.ts";
import { readGoldenTensors } from "../support/golden.ts";
import { describeGpu, testWebgpuBackend } from "../support/gpu.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";
import { activityOptions, cut, eventsOf, golden, goldenSound, goldenVad, type Told, toldOf } from "../support/vad.ts";

const scores = await readGoldenTensors("vad.safetensors");

/** A model that notes its answers. */
function noting(vad: VadModel, silence: number[]): VadModel {
  const open = () => {
    const stream = vad.open();
    return {
      ...stream,
      silence: async (features: Float32Array) => {
        const answer = await stream.silence(features);
        silence.push(...answer);
        return answer;
      },
    };
  };
  return { config: vad.config, cmvn: vad.cmvn, open, release: () => vad.release() };
}

function goldenTests<T extends Tensor, W extends LinearWeight<T>>(createBackend: () => Promise<Backend<T, W>>): void {
  let backend: Backend<T, W>;
  let worst = 0;
  beforeAll(async () => {
    backend = await createBackend();
  });
  afterAll(() => {
    console.info(`silence on ${backend?.description}: largest error ${worst.toExponential(1)}`);
    backend?.close();
  });

  test.each(golden.cases.filter(({ name }) => name === "as it comes"))(
    "$sound: the scores, the segments and the events of a stream are FunASR's",
    async (asked) => {
      const pcm = await goldenSound(asked.sound);
      const vad = await goldenVad(backend, asked);
      const silence: number[] = [];
      expect(await eventsOf(new FsmnActivity(noting(vad, silence)), [pcm])).toEqual(asked.segments);
      const error = relativeError(silence, scores.get(asked.sound) ?? [], 1);
      worst = Math.max(worst, error);
      expect(error).toBeLessThan(TOLERANCE.silence);
      expect(await toldOf(vad, pcm, asked.chunkMs, {})).toEqual(asked.events);
      vad.release();
    },
    120_000,
  );
}

describe("reference", () => goldenTests(async () => referenceBackend()));
describe("WASM", () => goldenTests(createWasmBackend));
describeGpu("WebGPU", () => goldenTests(testWebgpuBackend));

describe("every option", async () => {
  const backend = await createWasmBackend();
  afterAll(() => backend.close());

  test.each(golden.cases)("$sound, $name: the segments and the events of a stream are FunASR's", async (asked) => {
    const pcm = await goldenSound(asked.sound);
    const vad = await goldenVad(backend, asked);
    expect(await eventsOf(new FsmnActivity(vad, activityOptions(asked)), [pcm])).toEqual(asked.segments);
    expect(await toldOf(vad, pcm, asked.chunkMs, activityOptions(asked))).toEqual(asked.events);
    vad.release();
  });

  test("the cases differ: each option matters", () => {
    const same = ["small chunks", "nothing is speech"]; // as it comes; one utterance that does not come
    const others = golden.cases.filter(({ sound, name }) => sound === "long" && !same.includes(name));
    const answers = others.map(({ segments, events }) =>
      JSON.stringify([segments, events.flatMap(([, told]) => told)]),
    );
    expect(new Set(answers).size).toBe(others.length);
  });
});

describe("a recording in pieces", async () => {
  const backend = await createWasmBackend();
  const vad = await goldenVad(backend);
  const pcm = (await goldenSound("long")).subarray(0, 16000 * 9);
  afterAll(() => backend.close());

  test.each([undefined, 600, 100, 33])("any cutting gives the same events: chunks of %s ms", async (chunkMs) => {
    const whole = await eventsOf(new FsmnActivity(vad, { chunkMs }), [pcm]);
    expect(whole.length).toBeGreaterThan(0);
    const lengths = fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(
        lengths.filter((list) => list.some((length) => length > 300)),
        async (list) => {
          expect(await eventsOf(new FsmnActivity(vad, { chunkMs }), cut(pcm, list))).toEqual(whole);
        },
      ),
      { numRuns: 8, seed: 7 },
    );
  });

  test("no sound, and no samples in a push, are no error", async () => {
    expect(await eventsOf(new FsmnActivity(vad), [])).toEqual([]);
    expect(await eventsOf(new FsmnActivity(vad, { chunkMs: 100 }), [new Float32Array()])).toEqual([]);
  });

  test("the device's memory comes back, finished or not", async () => {
    await eventsOf(new FsmnActivity(vad), [pcm]);
    const before = backend.memory();
    for (let i = 0; i < 20; i++) {
      await eventsOf(new FsmnActivity(vad), [pcm.subarray(0, 32_000)]);
      const left = new FsmnActivity(vad);
      await left.push(pcm.subarray(0, 40_000));
      left.close();
      left.close();
    }
    expect(backend.memory()).toBe(before);
  });

  test("the event loop gets its turns", async () => {
    const sound = await goldenSound("long");
    const { longest } = await watchEventLoop(() => eventsOf(new FsmnActivity(vad), [sound]));
    expect(longest).toBeLessThan(20);
  });

  test.each<[string, unknown, RegExp]>([
    ["no whole number", { chunkMs: 0.5 }, /^\[vad\] chunkMs: expected an integer from 1 to 60000, got 0\.5$/],
    ["a chunk of hours", { chunkMs: 1e7 }, /^\[vad\] chunkMs: expected an integer from 1 to 60000, got 10000000$/],
  ])("options: %s", (_, options, message) => {
    const open = () => new FsmnActivity(vad, options as object);
    expect(open).toThrow(message);
    expect(open).toThrow(SenseVoiceError);
  });

  test("a sample that is no number is an error that says where", async () => {
    const activity = new FsmnActivity(vad);
    await activity.push(new Float32Array(50_000));
    const wrong = new Float32Array(100).fill(Number.NaN, 7);
    await expect(activity.push(wrong)).rejects.toThrow("audio: expected finite samples, got NaN at sample 50007");
    activity.close();
  });
});

const assets = process.env.SENSEVOICE_ASSETS ?? "";
const recordings = join(assets, "../golden/vad");
const file = join(recordings, "funasr.jsonl");

interface Recording {
  readonly file: string;
  readonly vad: readonly SpeechEvent[];
  readonly stream600?: Told;
}

/** The weights that FunASR publishes. */
describe.skipIf(!assets)("the real model", async () => {
  if (!assets) return;
  expect(existsSync(file)).toBe(true);
  const backend = await createWasmBackend();
  const scratch = mkdtempSync(join(tmpdir(), "sensevoice-vad-"));
  let vad: VadModel;
  beforeAll(async () => {
    const dir = join(scratch, "vad");
    await convertModel(join(assets, "fsmn_vad/model"), dir, { dtype: "f16" });
    vad = await loadVad(backend, folderSource(dir));
  });
  afterAll(() => {
    backend.close();
    rmSync(scratch, { recursive: true });
  });

  const recorded = readFileSync(file, "utf8").trim().split("\n");
  const more: Recording[] = [
    { file: join(assets, "audio/sample.wav"), vad: [[770, 5980]] },
    {
      file: join(assets, "fsmn_vad/vad_example.wav"),
      vad: [
        ...([
          [70, 59970],
          [59970, 60950],
          [60950, 62250],
          [62250, 62860],
        ] as const),
        ...([
          [62860, 63680],
          [63690, 67040],
          [67040, 70450],
        ] as const),
      ],
    },
  ];
  const all = recorded.map((line): Recording => {
    const recording = JSON.parse(line);
    return { ...recording, file: join(recordings, recording.file) };
  });

  test.each([...all, ...more])("$file: FunASR's segments, and its events in chunks of 600 ms", async (recording) => {
    const pcm = await readAudio(recording.file);
    expect(await eventsOf(new FsmnActivity(vad), [pcm])).toEqual(recording.vad);
    if (recording.stream600) expect(await toldOf(vad, pcm, 600, {})).toEqual(recording.stream600);
  });
});
