import { beforeAll, describe, expect, test } from "vitest";
import { randomFeatures, randomModelConfig, randomModelTensors } from "../../../scripts/random-weights.ts";
import { ReferenceBackend } from "../../../src/kernels/reference/backend.ts";
import { createWasmBackend } from "../../../src/kernels/wasm/backend.ts";
import { collapse } from "../../../src/model/sensevoice/ctc.ts";
import { SenseVoice } from "../../../src/model/sensevoice/network.ts";
import type { Query } from "../../../src/model/sensevoice/prompt.ts";
import { loadWeights } from "../../../src/model/sensevoice/weights.ts";
import type { Backend } from "../../../src/tensor/backend.ts";
import { findModel } from "../../../src/weights/home.ts";
import { openModelFolder } from "../../../src/weights/modelFolder.ts";
import {
  expectGolden,
  type Golden,
  type GoldenErrors,
  readGoldenJson,
  readGoldenTensors,
} from "../../support/golden.ts";
import { describeGpu, testWebgpuBackend } from "../../support/gpu.ts";

interface TinyGolden {
  readonly clips: readonly (Golden & { file: string; useItn: boolean })[];
  readonly batch: { files: string[]; tokens: number[][] };
}

const tiny = readGoldenJson<TinyGolden>("tiny.json");
const tinyTensors = await readGoldenTensors("tiny.safetensors");

async function tinyModel(backend: Backend): Promise<SenseVoice> {
  const folder = await openModelFolder(findModel("tiny"));
  const { encoder } = folder.config;
  return new SenseVoice(backend, encoder, await loadWeights(backend, encoder, folder.tensors()));
}

function tinyQuery(clip: { file: string; useItn?: boolean }): Query {
  const data = tinyTensors.get(`${clip.file}/features`);
  if (!data) throw new Error(`the golden has no features of ${clip.file}`);
  return { language: "auto", itn: clip.useItn ?? false, features: { rows: data.length / 560, data } };
}

/** Tokens of each clip of a batch. */
async function tokensOf(model: SenseVoice, queries: Query[]): Promise<number[][]> {
  const { x, segments } = model.encode(queries);
  const greedy = await model.backend.read(model.backend.ctcGreedy(x, model.head));
  let start = 0;
  return segments.lengths.map((length) => {
    const ids = greedy.subarray(start * 2, (start + length) * 2).filter((_, i) => i % 2 === 0);
    start += length;
    return collapse(ids);
  });
}

function report(what: string, { numbers, whole, logProb }: GoldenErrors): void {
  const [n, w, p] = [numbers, whole, logProb].map((error) => error.toExponential(1));
  console.info(`${what}: largest error of a number ${n}, of a whole output ${w}, of a log-probability ${p}`);
}

function tinyTests(createBackend: () => Promise<Backend>): void {
  let model: SenseVoice;
  let worst: GoldenErrors = { numbers: 0, whole: 0, logProb: 0 };
  beforeAll(async () => {
    model = await tinyModel(await createBackend());
    return () => {
      report(`tiny model on ${model.backend.description}`, worst);
      model.backend.close();
    };
  });

  for (const clip of tiny.clips) {
    test(`every layer, the logits and the tokens of the tiny model are FunASR's: ${clip.file}`, async () => {
      const tensor = (name: string) => tinyTensors.get(`${clip.file}/${name}`);
      const errors = await expectGolden(model, tinyQuery(clip), clip, tensor);
      worst = {
        numbers: Math.max(worst.numbers, errors.numbers),
        whole: Math.max(worst.whole, errors.whole),
        logProb: Math.max(worst.logProb, errors.logProb),
      };
    });
  }

  test("a batch of mixed lengths gives each clip's own tokens, which are those of FunASR's padded batch", async () => {
    const queries = tiny.batch.files.map((file) => tinyQuery({ file }));
    const together = await tokensOf(model, queries);
    expect(together).toEqual(tiny.batch.tokens);
    for (const [i, query] of queries.entries()) expect(await tokensOf(model, [query])).toEqual([together[i]]);
  });
}

/** 234 million random weights, and what FunASR computes with them. */
function fullSizeTests(createBackend: () => Promise<Backend>): void {
  test("every layer, the logits and the tokens of the full architecture, random weights, are FunASR's", async () => {
    const golden = readGoldenJson<Golden & { seed: number; featureRows: number }>("random-small.json");
    const tensors = await readGoldenTensors("random-small.safetensors");
    const config = randomModelConfig("small");
    const backend = await createBackend();
    const weights = await loadWeights(backend, config.encoder, randomModelTensors(config, golden.seed));
    const model = new SenseVoice(backend, config.encoder, weights);
    const { data } = randomFeatures(golden.featureRows, config.encoder.inputSize, golden.seed);
    const features = { rows: golden.featureRows, data };
    const query: Query = { language: "auto", itn: false, features };
    const errors = await expectGolden(model, query, golden, (name) => tensors.get(name));
    report(`full architecture on ${backend.description}`, errors);
    backend.close();
  }, 600_000);
}

describe("reference", () => tinyTests(async () => new ReferenceBackend()));
describe("WASM", () => {
  tinyTests(createWasmBackend);
  fullSizeTests(createWasmBackend);
});
describeGpu("WebGPU", () => {
  tinyTests(testWebgpuBackend);
  fullSizeTests(testWebgpuBackend);
});
