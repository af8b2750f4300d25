import { beforeAll, describe, expect, test } from "vitest";
import { randomFeatures, randomModelConfig, randomModelTensors } from "../../../scripts/random-weights.ts";
import { referenceBackend } from "../../../src/kernels/reference/backend.ts";
import { createWasmBackend } from "../../../src/kernels/wasm/backend.ts";
import { collapse } from "../../../src/model/sensevoice/ctc.ts";
import { SenseVoice } from "../../../src/model/sensevoice/network.ts";
import type { Prompt } from "../../../src/model/sensevoice/prompt.ts";
import type { Recognizer } from "../../../src/model/sensevoice/recognizer.ts";
import { loadWeights } from "../../../src/model/sensevoice/weights.ts";
import type { Backend, LinearWeight, Tensor } from "../../../src/tensor/backend.ts";
import type { HostTensor } from "../../../src/tensor/host.ts";
import { findModel } from "../../../src/weights/home.ts";
import {
  expectGolden,
  type Golden,
  type GoldenErrors,
  readGoldenJson,
  readGoldenTensors,
} from "../../support/golden.ts";
import { describeGpu, testWebgpuBackend } from "../../support/gpu.ts";
import { openModelFolder } from "../../support/model.ts";
import { TOY, toyTensors } from "../../support/toyModel.ts";

interface TinyGolden {
  readonly clips: readonly (Golden & { file: string; useItn: boolean })[];
  readonly batch: { files: string[]; tokens: number[][] };
}

const tiny = readGoldenJson<TinyGolden>("tiny.json");
const tinyTensors = await readGoldenTensors("tiny.safetensors");

async function tinyModel<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
): Promise<SenseVoice<T, W>> {
  const { config, tensors } = await openModelFolder(findModel("tiny"));
  return new SenseVoice(backend, config.encoder, await loadWeights(backend, config, tensors()));
}

function tinyPrompt(clip: { file: string; useItn?: boolean }): Prompt {
  const data = tinyTensors.get(`${clip.file}/features`);
  if (!data) throw new Error(`the golden has no features of ${clip.file}`);
  return { language: "auto", itn: clip.useItn ?? false, features: { rows: data.length / 560, data } };
}

/** Tokens of each clip of a batch. */
async function tokensOf(model: Recognizer, prompts: Prompt[]): Promise<number[][]> {
  const { clips, release } = await model.recognize(prompts);
  release();
  return clips.map(({ ids }) => collapse(ids));
}

function report(what: string, { numbers, whole, logProb }: GoldenErrors): void {
  const [n, w, p] = [numbers, whole, logProb].map((error) => error.toExponential(1));
  console.info(`${what}: largest error of a number ${n}, of a whole output ${w}, of a log-probability ${p}`);
}

function tinyTests<T extends Tensor, W extends LinearWeight<T>>(createBackend: () => Promise<Backend<T, W>>): void {
  let model: SenseVoice<T, W>;
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
      const errors = await expectGolden(model, tinyPrompt(clip), clip, tensor);
      worst = {
        numbers: Math.max(worst.numbers, errors.numbers),
        whole: Math.max(worst.whole, errors.whole),
        logProb: Math.max(worst.logProb, errors.logProb),
      };
    });
  }

  test("a batch of mixed lengths gives each clip's own tokens, which are those of FunASR's padded batch", async () => {
    const prompts = tiny.batch.files.map((file) => tinyPrompt({ file }));
    const together = await tokensOf(model, prompts);
    expect(together).toEqual(tiny.batch.tokens);
    for (const [i, prompt] of prompts.entries()) expect(await tokensOf(model, [prompt])).toEqual([together[i]]);
  });
}

/** 234 million random weights, and what FunASR computes with them. */
function fullSizeTests<T extends Tensor, W extends LinearWeight<T>>(createBackend: () => Promise<Backend<T, W>>): void {
  test("every layer, the logits and the tokens of the full architecture, random weights, are FunASR's", async () => {
    const golden = readGoldenJson<Golden & { seed: number; featureRows: number }>("random-small.json");
    const tensors = await readGoldenTensors("random-small.safetensors");
    const config = randomModelConfig("small");
    const backend = await createBackend();
    const weights = await loadWeights(backend, config, randomModelTensors(config, golden.seed));
    const model = new SenseVoice(backend, config.encoder, weights);
    const { data } = randomFeatures(golden.featureRows, config.encoder.inputSize, golden.seed);
    const features = { rows: golden.featureRows, data };
    const prompt: Prompt = { language: "auto", itn: false, features };
    const errors = await expectGolden(model, prompt, golden, (name) => tensors.get(name));
    report(`full architecture on ${backend.description}`, errors);
    backend.close();
  }, 600_000);
}

test("what fails behind the encoder leaves nothing on the device", async () => {
  const plain = referenceBackend();
  const made: HostTensor[] = [];
  const keep = (tensor: HostTensor) => {
    made.push(tensor);
    return tensor;
  };
  const backend: typeof plain = {
    ...plain,
    upload: (tensor) => keep(plain.upload(tensor)),
    layerNorm: (x, norm) => keep(plain.layerNorm(x, norm)),
    ctcTopK: () => {
      throw new Error("out of memory");
    },
  };
  const model = await tinyModel(backend);
  made.length = 0;
  await expect(model.recognize([tinyPrompt(tiny.clips[0])])).rejects.toThrow("out of memory");
  expect(made.length).toBeGreaterThanOrEqual(4); // rows, offsets, the two stacks' norms
  for (const tensor of made) expect(() => backend.release(tensor)).toThrow("which was released");
});

describe("work goes to the device in parts of 2048 rows", () => {
  /** The toy model of 3 layers and 2 norms, whose attention costs nothing, and what is done on its device. */
  async function toyModel(flush: () => Promise<void>) {
    const plain = referenceBackend();
    const count = { flushes: 0, layers: 0 };
    const backend: typeof plain = {
      ...plain,
      sanm: ({ shape }) => {
        count.layers++;
        const output = [shape[0], TOY.encoder.outputSize];
        const zeros = () =>
          plain.upload({ dtype: "f32", shape: output, data: new Float32Array(output[0] * output[1]) });
        return { attended: zeros(), memory: zeros() };
      },
      flush: () => {
        count.flushes++;
        return flush();
      },
    };
    const weights = await loadWeights(backend, TOY, toyTensors([undefined]));
    return { count, model: new SenseVoice(backend, TOY.encoder, weights) };
  }
  const prompt = (rows: number): Prompt => {
    const data = new Float32Array((rows - 4) * TOY.encoder.inputSize).fill(0.1);
    return { language: "auto", itn: false, features: { rows: rows - 4, data } };
  };

  test.each([
    [2048, 5],
    [2047, 2],
    [400, 0],
  ])("%i rows through 5 layers and norms: %i parts", async (rows, parts) => {
    const { count, model } = await toyModel(async () => {});
    (await model.recognize([prompt(rows)])).release();
    expect(count).toEqual({ flushes: parts, layers: 3 });
  });

  test("between two of them a run can end early, and behind the last", async () => {
    const early = new AbortController();
    const begun = await toyModel(async () => early.abort(new Error("enough")));
    await expect(begun.model.recognize([prompt(2048)], { signal: early.signal })).rejects.toThrow("enough");
    expect(begun.count).toEqual({ flushes: 1, layers: 1 });

    const late = AbortSignal.abort(new Error("too late"));
    const whole = await toyModel(async () => {});
    await expect(whole.model.recognize([prompt(400)], { signal: late })).rejects.toThrow("too late");
    expect(whole.count).toEqual({ flushes: 0, layers: 3 });
  });

  test("one is computed while the next is recorded, and no more", async () => {
    const done: (() => void)[] = [];
    const { count, model } = await toyModel(() => new Promise((resolve) => done.push(resolve)));
    const run = model.recognize([prompt(2048)]);
    for (let parts = 2; parts <= 5; parts++) {
      await expect.poll(() => count.flushes, { timeout: 20_000 }).toBe(parts);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(count.flushes).toBe(parts);
      done.shift()?.();
    }
    for (const resolve of done) resolve();
    (await run).release();
  });

  test("runs that overlap do not get into each other's parts; a run tells when all of its work is recorded", async () => {
    const plain = referenceBackend();
    const parts: Set<number>[] = [new Set()];
    const submit = () => void parts.push(new Set());
    const backend: typeof plain = {
      ...plain,
      linear: (x, ...rest) => {
        parts.at(-1)?.add(x.shape[0]);
        return plain.linear(x, ...rest);
      },
      flush: async () => submit(),
      read: (tensor) => {
        submit();
        return plain.read(tensor);
      },
    };
    const model = new SenseVoice(backend, TOY.encoder, await loadWeights(backend, TOY, toyTensors([undefined])));
    const recorded: number[] = [];
    const run = async (rows: number) => {
      const onRecorded = () => recorded.push(rows);
      (await model.recognize([prompt(rows)], { onRecorded })).release();
    };
    await Promise.all([run(700), run(30), run(701), run(31)]);
    expect(recorded.toSorted()).toEqual([30, 31, 700, 701]);
    expect(parts.length).toBeGreaterThan(6);
    for (const rows of parts) expect(rows.size).toBeLessThanOrEqual(1);
  });

  test("a part that fails ends the run", async () => {
    const { model } = await toyModel(() => Promise.reject(new Error("device lost")));
    await expect(model.recognize([prompt(2048)])).rejects.toThrow("device lost");
  });
});

describe("reference", () => tinyTests(async () => referenceBackend()));
describe("WASM", () => {
  tinyTests(createWasmBackend);
  fullSizeTests(createWasmBackend);
});
describeGpu("WebGPU", () => {
  tinyTests(testWebgpuBackend);
  fullSizeTests(testWebgpuBackend);
});
