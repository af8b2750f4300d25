import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readAudio } from "../../../src/audio/read.ts";
import { openSpeakerFeatures } from "../../../src/audio/speakerFeatures.ts";
import { referenceBackend } from "../../../src/kernels/reference/backend.ts";
import { createWasmBackend } from "../../../src/kernels/wasm/backend.ts";
import type { Campplus } from "../../../src/model/campplus/network.ts";
import type { Backend, LinearWeight, Tensor } from "../../../src/tensor/backend.ts";
import { evalPath, seededSpeaker, seededSpeakerTensors } from "../../support/campplus.ts";
import { readGoldenJson } from "../../support/golden.ts";
import { describeGpu, testWebgpuBackend } from "../../support/gpu.ts";
import { randomizer } from "../../support/random.ts";
import { TOLERANCE } from "../../support/tolerances.ts";

/** What is kept of a module's output [columns, rows]; `first` are the first numbers of its first row over time. */
interface Stage {
  readonly shape: readonly number[];
  readonly rms: number;
  readonly mean: number;
  readonly max_abs: number;
  readonly first: readonly number[];
}

/** What FunASR computed of a clip: test/golden/README.md. */
interface SpeakerCase {
  readonly name: string;
  readonly start: number;
  readonly read: number;
  /** Zeros behind. */
  readonly padded: number;
  readonly frames: number;
  readonly fbank: { readonly bin_means: number[]; readonly first: number[]; readonly at_floor: number };
  readonly features: {
    readonly std: number;
    readonly max_abs: number;
    readonly first_frame: number[];
    readonly last_frame_first8: number[];
  };
  readonly embedding: number[];
  readonly stages?: Readonly<Record<string, Stage>>;
}

const text = readFileSync(fileURLToPath(new URL("../../golden/spk/embeddings.jsonl", import.meta.url)), "utf8");
const cases = text
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as SpeakerCase);

async function clipOf({ name, start, read, padded }: SpeakerCase): Promise<Float32Array> {
  const pcm = await readAudio(evalPath(name));
  const clip = new Float32Array(read + padded);
  clip.set(pcm.subarray(start, start + read));
  return clip;
}

const largest = (got: ArrayLike<number>, expected: ArrayLike<number>) =>
  Math.max(...Array.from(expected, (v, i) => Math.abs(got[i] - v)));

test("the seeded weights are those of the goldens", () => {
  const { sha256, float32_values } = readGoldenJson<{ sha256: string; float32_values: number }>("spk/weights.json");
  const hash = createHash("sha256");
  let count = 0;
  for (const [, { data }] of seededSpeakerTensors()) {
    hash.update(new Uint8Array(data.buffer));
    count += data.length;
  }
  expect(count).toBe(float32_values);
  expect(hash.digest("hex")).toBe(sha256);
});

test.each(cases)("$name from $start: the features are FunASR's", async (asked) => {
  const clip = await clipOf(asked);
  const features = (await openSpeakerFeatures(80))(clip);
  expect(features.length).toBe(asked.frames * 80);
  const { first_frame, last_frame_first8, max_abs, std } = asked.features;
  const last = features.subarray((asked.frames - 1) * 80);
  expect(largest(features, first_frame)).toBeLessThan(TOLERANCE.features);
  expect(largest(last, last_frame_first8)).toBeLessThan(TOLERANCE.features);
  expect(largest([features.reduce((max, v) => Math.max(max, Math.abs(v)), 0)], [max_abs])).toBeLessThan(
    TOLERANCE.features,
  );
  const variance = features.reduce((sum, v) => sum + v * v, 0) / features.length;
  expect(largest([Math.sqrt(variance)], [std])).toBeLessThan(TOLERANCE.features);
});

/** The output of each part. */
function stagesOf<T extends Tensor, W extends LinearWeight<T>>(model: Campplus<T, W>, features: Float32Array) {
  const stages: [name: string, shape: readonly number[], data: Promise<Float32Array>][] = [];
  const embedding = model.record([features], (name, x) => stages.push([name, x.shape, model.backend.read(x)]));
  return { stages, embedding };
}

/** Our parts under FunASR's names: its layers end with their last block, and the last norm is in transit3. */
const RENAMED: Readonly<Record<string, string>> = {
  "head.layer1.1": "head.layer1",
  "head.layer2.1": "head.layer2",
  "xvector.transit3": "xvector.out_nonlinear",
};

/** Where the columns of a dense layer are among those of its block. */
function columnOf(name: string): number {
  const [, block, layer] = /block(\d)\.tdnnd(\d+)$/.exec(name) ?? [];
  return layer ? [128, 256, 512][Number(block) - 1] + 32 * (Number(layer) - 1) : 0;
}

function goldenTests<T extends Tensor, W extends LinearWeight<T>>(
  createBackend: () => Promise<Backend<T, W>>,
  asked: readonly SpeakerCase[],
): void {
  let model: Campplus<T, W>;
  let [worst, worstStage] = [0, 0];
  beforeAll(async () => {
    model = await seededSpeaker(await createBackend());
  }, 60_000);
  afterAll(() => {
    const errors = [worst, worstStage].map((error) => error.toExponential(1));
    console.info(`embeddings on ${model?.backend.description}: largest error ${errors[0]}, of a part ${errors[1]}`);
    model?.release();
    model?.backend.close();
  });

  test.each(asked.filter(({ stages }) => stages))(
    "$name: each part's output is FunASR's",
    async (golden) => {
      const features = (await openSpeakerFeatures(80))(await clipOf(golden));
      const { stages, embedding } = stagesOf(model, features);
      const seen: string[] = [];
      for (const [part, [total, width], data] of stages) {
        const name = RENAMED[part] ?? part;
        const stage = golden.stages?.[name];
        const numbers = await data;
        if (!stage || name === "head.conv1") continue; // FunASR's is before its norm
        seen.push(name);
        // FunASR's [channels, (mels,) rows] lie as [rows, (mels,) channels] here.
        const time = stage.shape.length > 1 ? (stage.shape.at(-1) ?? 1) : 1;
        const columns = stage.shape.slice(0, Math.max(1, stage.shape.length - 1)).reduce((a, b) => a * b);
        const rowLength = (total * width) / time;
        const column = columnOf(name);
        const at = (row: number, c: number) => numbers[row * rowLength + column + c];
        let [sum, squares, max] = [0, 0, 0];
        for (let row = 0; row < time; row++) {
          for (let c = 0; c < columns; c++) {
            const v = at(row, c);
            sum += v;
            squares += v * v;
            max = Math.max(max, Math.abs(v));
          }
        }
        const count = time * columns;
        const first = stage.first.map((_, i) => (time > 1 ? at(i, 0) : at(0, i)));
        const figures = largest([max, Math.sqrt(squares / count), sum / count], [stage.max_abs, stage.rms, stage.mean]);
        const error = Math.max(figures, largest(first, stage.first)) / stage.max_abs;
        worstStage = Math.max(worstStage, error);
        expect(error, name).toBeLessThan(TOLERANCE.speakerStage);
      }
      expect(seen.length).toBeGreaterThan(15);
      model.backend.release(embedding);
    },
    300_000,
  );

  test("each clip's embedding is FunASR's, whichever are computed together", async () => {
    const clips = await Promise.all(asked.map(clipOf));
    const embeddings = await model.embed(clips);
    for (const [i, { name, embedding }] of asked.entries()) {
      const error = largest(embeddings[i], embedding);
      worst = Math.max(worst, error);
      expect(error, name).toBeLessThan(TOLERANCE.embedding);
    }
    // Another number of rows may be another kernel's on a GPU.
    const [alone] = await model.embed([clips[0]]);
    if (model.backend.name === "webgpu") expect(largest(alone, embeddings[0])).toBeLessThan(TOLERANCE.embedding);
    else expect(alone).toEqual(embeddings[0]);
  }, 300_000);
}

describe("reference", () => goldenTests(async () => referenceBackend(), cases.slice(0, 1)));
describe.each([1, 2])("WASM on %i threads", (threads) => goldenTests(() => createWasmBackend({ threads }), cases));
describeGpu("WebGPU", () => goldenTests(testWebgpuBackend, cases));

test("chunks of mixed lengths, more than fit in a batch, come back in their order, each as if it were alone", async () => {
  const backend = await createWasmBackend({ threads: 2 });
  const model = await seededSpeaker(backend);
  const random = randomizer(3);
  const chunks = Array.from({ length: 11 }, (_, i) => random([i % 3 ? 24_000 : 1000], 0.1).data as Float32Array);
  const embeddings = await model.embed(chunks);
  for (const [i, chunk] of chunks.entries()) expect((await model.embed([chunk]))[0]).toEqual(embeddings[i]);
  backend.close();
}, 60_000);

const assets = process.env.SENSEVOICE_ASSETS ?? "";

describe.skipIf(!assets)("FunASR's pipeline on 14 recordings", () => {
  /** Of a recording the chunks' times in seconds, and their embeddings in base64. */
  interface Pipeline {
    readonly key: string;
    readonly chunks: readonly (readonly [start: number, end: number])[];
    readonly embeddings?: string;
  }
  const lines = assets ? readFileSync(join(assets, "../golden/spk/pipeline.jsonl"), "utf8").trim().split("\n") : [];
  const recordings = lines.map((line) => JSON.parse(line) as Pipeline).filter(({ embeddings }) => embeddings);

  test.each(recordings)(
    "$key: the embedding of every chunk",
    async ({ key, chunks, embeddings = "" }) => {
      const pcm = await readAudio(join(assets, `../golden/vad/${key}.flac`));
      const backend = await createWasmBackend();
      const model = await seededSpeaker(backend);
      const clips = chunks.map(([start, end]) => {
        const clip = new Float32Array(24_000);
        clip.set(pcm.subarray(Math.round(start * 16_000), Math.round(end * 16_000)));
        return clip;
      });
      const expected = new Float32Array(Uint8Array.from(Buffer.from(embeddings, "base64")).buffer);
      const got = await model.embed(clips);
      expect(expected.length).toBe(got.length * 192);
      const errors = got.map((embedding, i) => largest(embedding, expected.subarray(i * 192, (i + 1) * 192)));
      console.info(`${key}: ${got.length} chunks, largest error ${Math.max(...errors).toExponential(1)}`);
      expect(Math.max(...errors)).toBeLessThan(TOLERANCE.embedding);
      backend.close();
    },
    300_000,
  );
});
