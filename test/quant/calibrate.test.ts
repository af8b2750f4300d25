import { describe, expect, test } from "vitest";
import { referenceBackend } from "../../src/kernels/reference/backend.ts";
import { createWasmBackend } from "../../src/kernels/wasm/backend.ts";
import type { EncoderConfig } from "../../src/model/sensevoice/config.ts";
import { SenseVoice } from "../../src/model/sensevoice/network.ts";
import { modelParameters } from "../../src/model/sensevoice/parameters.ts";
import type { Prompt } from "../../src/model/sensevoice/prompt.ts";
import { loadWeights } from "../../src/model/sensevoice/weights.ts";
import { calibrate } from "../../src/quant/calibrate.ts";
import { quantizeTensor } from "../../src/quant/quantize.ts";
import { measureLosses } from "../../src/quant/sensitivity.ts";
import type { HostTensor } from "../../src/tensor/host.ts";
import type { Weight } from "../../src/tensor/quantized.ts";
import { randomizer } from "../support/random.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";

const encoder: EncoderConfig = {
  inputSize: 28,
  outputSize: 32,
  attentionHeads: 2,
  linearUnits: 64,
  numBlocks: 2,
  tpBlocks: 1,
  kernelSize: 3,
};
const random = randomizer(11);
const tensors = modelParameters({ encoder, vocabSize: 12 }).map(({ name, shape }): [string, HostTensor] => [
  name,
  random(shape as number[], 0.3),
]);
const clips = [5, 9].map((rows): Prompt => {
  return {
    features: { rows, data: random([rows, 28]).data as Float32Array },
    language: "auto",
    itn: false,
  };
});
const rowsInAll = 5 + 9 + 2 * 4;
const backend = referenceBackend();
const config = { encoder, vocabSize: 12 };
const weights = await loadWeights(backend, config, tensors);
const model = new SenseVoice(backend, encoder, weights);

test("neither keeps memory of the device", async () => {
  const cpu = await createWasmBackend({ threads: 1 });
  const onCpu = new SenseVoice(cpu, encoder, await loadWeights(cpu, config, tensors));
  async function* probe(): AsyncGenerator<[string, Weight]> {
    for (const [name, tensor] of tensors) if (onCpu.weights.linears.has(name)) yield [name, tensor];
  }
  const work = async () => {
    await calibrate(onCpu, clips);
    await measureLosses(onCpu, clips, probe());
  };
  await work();
  const before = cpu.memory();
  for (let i = 0; i < 3; i++) await work();
  expect(cpu.memory()).toBe(before);
  cpu.close();
});

describe("calibrate", () => {
  test("every linear layer sees every row, and the names are those of the weights", async () => {
    const statistics = await calibrate(model, clips);
    const matrices = tensors.filter(([name, { shape }]) => shape.length === 2 && !/embed|fsmn/.test(name));
    expect([...statistics.keys()].sort()).toEqual(matrices.map(([name]) => name).sort());
    for (const [name, { shape }] of matrices) {
      expect(statistics.get(name), name).toMatchObject({ k: shape[1], rows: rowsInAll });
    }
  });

  test("a layer norm in front comes before what is seen", async () => {
    const name = "encoder.encoders0.0.self_attn.linear_q_k_v.weight";
    const plain = tensors.map(([key, tensor]): [string, HostTensor] => {
      if (!key.startsWith("encoder.encoders0.0.norm1")) return [key, tensor];
      return [key, { ...tensor, data: new Float32Array(28).fill(key.endsWith("weight") ? 1 : 0) }];
    });
    const normed = await loadWeights(backend, config, plain);
    const wanted = (layer: string) => layer === name;
    const statistics = await calibrate(new SenseVoice(backend, encoder, normed), clips, wanted);
    expect([...statistics.keys()]).toEqual([name]);
    // Rows of mean 0 and variance 1: the diagonal sums to K a row.
    const hessian = statistics.get(name)?.hessian ?? [];
    let trace = 0;
    for (let i = 0; i < 28; i++) trace += hessian[i * 28 + i];
    expect(relativeError([trace / rowsInAll], [28])).toBeLessThan(TOLERANCE.kernel);
  });
});

describe("measureLosses", () => {
  test("nothing is lost by the same weight, more by two bits than by six, in every layer", async () => {
    async function* probes(bits?: number): AsyncGenerator<[string, Weight]> {
      for (const name of weights.linears.keys()) {
        const tensor = tensors.find(([key]) => key === name)?.[1];
        if (!tensor) throw new Error(name);
        const scheme = { bits: bits ?? 8, values: "uniform", granularity: "channel" } as const;
        const [n, k] = tensor.shape;
        yield [name, bits ? quantizeTensor(tensor.data as Float32Array, [n, k], scheme) : tensor];
      }
    }
    const same = await measureLosses(model, clips, probes());
    const fine = await measureLosses(model, clips, probes(6));
    const coarse = await measureLosses(model, clips, probes(2));
    expect(same.size).toBe(13);
    for (const [name, loss] of same) {
      expect(Math.abs(loss), name).toBeLessThan(TOLERANCE.f64);
      expect(coarse.get(name), name).toBeGreaterThan((fine.get(name) ?? 0) * 4);
      expect(fine.get(name), name).toBeGreaterThan(0);
    }
  });
});
