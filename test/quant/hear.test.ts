import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createWasmBackend, type WasmBackend } from "../../src/kernels/wasm/backend.ts";
import { QuantKernels } from "../../src/kernels/wasm/quantKernels.ts";
import type { EncoderConfig } from "../../src/model/sensevoice/config.ts";
import { SenseVoice } from "../../src/model/sensevoice/network.ts";
import { modelParameters } from "../../src/model/sensevoice/parameters.ts";
import type { Prompt } from "../../src/model/sensevoice/prompt.ts";
import { loadWeights } from "../../src/model/sensevoice/weights.ts";
import { calibrate } from "../../src/quant/calibrate.ts";
import { type CpuModel, hear } from "../../src/quant/hear.ts";
import { PROBE } from "../../src/quant/mixed.ts";
import { probe } from "../../src/quant/probe.ts";
import { quantizeTensor } from "../../src/quant/quantize.ts";
import { measureLosses } from "../../src/quant/sensitivity.ts";
import type { HostTensor } from "../../src/tensor/host.ts";
import type { QuantizedTensor } from "../../src/tensor/quantized.ts";
import { randomizer } from "../support/random.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";

const VOCAB = 31;

/** A model of random numbers on the CPU, and its tensors. */
async function modelOf(backend: WasmBackend, encoder: EncoderConfig, scale = 0.2) {
  const random = randomizer(11);
  const config = { encoder, vocabSize: VOCAB };
  const tensors = new Map(
    modelParameters(config).map(({ name, shape }): [string, HostTensor] => [name, random(shape as number[], scale)]),
  );
  const weights = await loadWeights(backend, config, tensors);
  return { cpu: { backend, model: new SenseVoice(backend, encoder, weights) } satisfies CpuModel, tensors };
}

function clipsOf(width: number, lengths: readonly number[]): Prompt[] {
  const random = randomizer(3);
  return lengths.map((rows): Prompt => {
    const data = random([rows, width]).data as Float32Array;
    return { features: { rows, data }, language: "auto", itn: false };
  });
}

let backend: WasmBackend;
let kernels: QuantKernels;
beforeAll(async () => {
  backend = await createWasmBackend({ threads: 2 });
  kernels = new QuantKernels(backend.device);
});
afterAll(() => backend.close());

const encoder: EncoderConfig = {
  ...{ inputSize: 28, outputSize: 32, attentionHeads: 2, linearUnits: 64, numBlocks: 2, tpBlocks: 1, kernelSize: 3 },
};

describe("what the layers of a model hear", () => {
  // The second and the third clip do not fit into one batch.
  const clips = clipsOf(28, [5, 1200, 900, 9]);

  test("is what they hear when each clip is run alone, in the order of the network", async () => {
    const { cpu } = await modelOf(backend, encoder);
    const expected = await calibrate(cpu.model, clips);
    const names: string[] = [];
    for await (const [name, { hessian, sizes }] of hear(cpu, kernels, clips, () => ({ hessian: true, sizes: true }))) {
      names.push(name);
      const wanted = expected.get(name);
      if (!hessian || !wanted) throw new Error(name);
      const got = await kernels.readSquare(hessian);
      expect(relativeError(got, wanted.hessian), name).toBeLessThan(TOLERANCE.heard);
      expect(relativeError([sizes?.absMax ?? 0], [wanted.absMax]), name).toBeLessThan(TOLERANCE.kernel);
      const [count, total] = [sizes, wanted].map((of) => of?.histogram.reduce((sum, bin) => sum + bin, 0));
      expect(count).toBe(total);
    }
    expect(names).toEqual(
      [...cpu.model.weights.linears.keys()].filter((name) => !/ctc/.test(name)).concat("ctc.ctc_lo.weight"),
    );
  }, 60_000);

  test("only of those that are wanted, and only that", async () => {
    const { cpu } = await modelOf(backend, encoder);
    const wanted = (name: string) => (/w_1/.test(name) ? { hessian: false, sizes: true } : undefined);
    const names: string[] = [];
    for await (const [name, { hessian, sizes }] of hear(cpu, kernels, clips.slice(0, 1), wanted)) {
      names.push(name);
      expect([hessian, sizes !== undefined]).toEqual([undefined, true]);
    }
    expect(names).toEqual(
      ["encoders0.0", "encoders.0", "tp_encoders.0"].map((of) => `encoder.${of}.feed_forward.w_1.weight`),
    );
  });

  test("a layer that sends NaN is told of", async () => {
    const { cpu } = await modelOf(backend, encoder);
    const broken = clips.slice(0, 1).map((clip) => {
      const data = clip.features.data.slice();
      data[7] = Number.NaN;
      return { ...clip, features: { ...clip.features, data } };
    });
    const all = async () => {
      for await (const _ of hear(cpu, kernels, broken, () => ({ hessian: false, sizes: true })));
    };
    await expect(all()).rejects.toThrow("[calibration] inputs: expected finite numbers, got NaN");
  });
});

test("memory does not grow with the number of layers, nor with what stops early", async () => {
  const wide = { ...encoder, outputSize: 128, linearUnits: 512 };
  const own = await createWasmBackend({ threads: 2 });
  const grown: number[] = [];
  for (const numBlocks of [2, 12]) {
    const { cpu } = await modelOf(own, { ...wide, numBlocks });
    const clips = clipsOf(28, [200]);
    const before = own.memory();
    for (let run = 0; run < 2; run++) {
      for await (const _ of hear(cpu, new QuantKernels(own.device), clips, () => ({ hessian: true, sizes: false })));
      for await (const _ of hear(cpu, new QuantKernels(own.device), clips, () => ({ hessian: true, sizes: false })))
        break;
    }
    grown.push(own.memory() - before);
    cpu.model.weights.release();
  }
  own.close();
  // A layer's statistics are 1.3 MB; the second model finds the room that the first one's had.
  expect(grown[1]).toBeLessThan(grown[0] + 2 ** 20);
});

describe("probes", () => {
  const clips = clipsOf(28, [5, 9]);

  test("lose what they lose in whole runs", async () => {
    const { cpu, tensors } = await modelOf(backend, encoder, 0.8);
    const probes = new Map<string, QuantizedTensor>();
    for (const name of cpu.model.weights.linears.keys()) {
      const { data, shape } = tensors.get(name) as HostTensor;
      probes.set(name, quantizeTensor(data as Float32Array, [shape[0], shape[1]], PROBE));
    }
    async function* all() {
      yield* probes;
    }
    const expected = await measureLosses(cpu.model, clips, all());
    const losses = new Map<string, number>();
    const probeAll = async () => {
      for await (const [name, loss] of probe(cpu, kernels, clips, async (name) => probes.get(name))) {
        losses.set(name, loss);
      }
      return backend.memory();
    };
    const before = await probeAll();
    // Scales go into fresh memory while codes are packed; codes and rows, which are most of it, do not.
    expect(await probeAll()).toBeLessThan(before + 2 ** 13);
    expect([...losses.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [name, loss] of losses) {
      expect(Math.abs(loss - (expected.get(name) ?? 0)), name).toBeLessThan(TOLERANCE.divergence);
      expect(loss, name).toBeGreaterThan(10 * TOLERANCE.divergence);
    }
  });

  test("of layers that are known already are not made", async () => {
    const { cpu } = await modelOf(backend, encoder);
    const asked: string[] = [];
    const none = async (name: string) => {
      asked.push(name);
      return undefined;
    };
    for await (const found of probe(cpu, kernels, clips, none)) throw new Error(`${found}`);
    expect(asked).toHaveLength(13);
  });
});
