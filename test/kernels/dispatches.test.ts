import { expect, test } from "vitest";
import { randomFeatures, randomModelConfig, randomModelTensors } from "../../scripts/random-weights.ts";
import { webgpuBackend } from "../../src/kernels/webgpu/backend.ts";
import type { Dispatch, Gpu, GpuTensor } from "../../src/kernels/webgpu/gpu.ts";
import { type DeviceTraits, PLAIN_TRAITS } from "../../src/kernels/webgpu/traits.ts";
import { SenseVoice } from "../../src/model/sensevoice/network.ts";
import { loadWeights } from "../../src/model/sensevoice/weights.ts";
import { elementCount } from "../../src/tensor/host.ts";
import { BLOCK, type Weight } from "../../src/tensor/quantized.ts";

const TILES: DeviceTraits = { ...PLAIN_TRAITS, f16: true, int8Dot: true, workgroupBytes: 49152 };
const SIZE = { m: 16, n: 16, k: 16 };
const MATRICES: DeviceTraits = { ...TILES, f16Matrix: SIZE, int8Matrix: SIZE, proven: ["f16", "int8"] };

/** Codes of zeros: what they are does not matter here. */
const quantized =
  (bits: number, group?: number, activation?: "dynamic") =>
  ({ shape: [n, k] }: Weight): Weight => {
    const groupSize = group ?? k;
    const codes = new Uint32Array(n * Math.ceil(k / BLOCK) * bits);
    const scales = new Float32Array(n * Math.ceil(k / groupSize));
    return { dtype: "quantized", shape: [n, k], bits, groupSize, codes, scales, activation };
  };

/** What becomes of a linear weight of floats. */
const WEIGHTS: Record<string, (weight: Weight) => Weight> = {
  f32: (weight) => weight,
  f16: ({ shape: [n, k] }) => ({ dtype: "f16", shape: [n, k], data: new Uint16Array(n * k) }),
  int8: quantized(8, undefined, "dynamic"),
  "int4 in groups": quantized(4, 32, "dynamic"),
  "int4, x in f32": quantized(4, 32),
};

/** The names of the kernels that a forward pass over so many rows dispatches; the device only counts. */
async function dispatched(
  traits: DeviceTraits,
  convert: (weight: Weight) => Weight,
  layers: readonly [first: number, last: number],
  rows: number,
): Promise<string[]> {
  const names: string[] = [];
  const gpu = {
    traits,
    createTensor: (shape: readonly number[], dtype = "f32") => ({ shape, dtype }),
    write: () => {},
    dispatch: ({ kernel }: Dispatch) => names.push(kernel.name),
    scope: (record: () => GpuTensor) => record(),
    release: () => {},
    read: async ({ shape }: GpuTensor) => new Float32Array(elementCount(shape)),
    flush: async () => {},
  };
  const full = randomModelConfig("small");
  // As wide as the full model, and of more tokens than a layer has columns.
  const config = { ...full, vocabSize: 5000, encoder: { ...full.encoder, numBlocks: layers[0], tpBlocks: layers[1] } };
  const backend = webgpuBackend(gpu as unknown as Gpu);
  const loaded = await loadWeights(backend, config, randomModelTensors(config), convert);
  const features = { rows, data: randomFeatures(rows, config.encoder.inputSize).data };
  names.length = 0;
  await new SenseVoice(backend, config.encoder, loaded).recognize([{ language: "auto", itn: false, features }]);
  return names;
}

for (const [device, traits] of [
  ["tiles", TILES],
  ["matrices", MATRICES],
] as const) {
  for (const [weights, convert] of Object.entries(WEIGHTS)) {
    test(`${weights} on ${device}: a clip takes at most 430 dispatches, 5 a layer, or 6 where x becomes int8`, async () => {
      const count = async (layers: readonly [first: number, last: number]) => {
        return (await dispatched(traits, convert, layers, 183)).length;
      };
      const two = await count([1, 1]);
      const aLayer = (await count([2, 1])) - two;
      expect(aLayer).toBe(/int8|groups/.test(weights) ? 6 : 5);
      expect(two + 68 * aLayer).toBeLessThanOrEqual(430);
    });
  }
}

test("in a batch of thousands of rows norms and int8 rows are made once, not for each group of columns", async () => {
  const names = await dispatched(TILES, WEIGHTS.int8, [1, 1], 2100);
  expect(names.filter((name) => name === "quantizeRows")).toHaveLength(2 * 4 + 1);
});
