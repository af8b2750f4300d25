import { expect, test } from "vitest";
import { randomModelConfig } from "../../scripts/random-weights.ts";
import { type DeviceTraits, PLAIN_TRAITS } from "../../src/kernels/webgpu/traits.ts";
import type { Weight } from "../../src/tensor/quantized.ts";
import { dispatchesOf, WEIGHTS } from "../support/countingGpu.ts";

const TILES: DeviceTraits = { ...PLAIN_TRAITS, f16: true, int8Dot: true, workgroupBytes: 49152 };
const SIZE = { m: 16, n: 16, k: 16 };
const MATRICES: DeviceTraits = { ...TILES, f16Matrix: SIZE, int8Matrix: SIZE, proven: ["f16", "int8"] };

/** The names of the kernels of a forward pass. */
async function dispatched(
  traits: DeviceTraits,
  convert: (weight: Weight) => Weight,
  layers: readonly [first: number, last: number],
  rows: number,
): Promise<string[]> {
  const full = randomModelConfig("small");
  // As wide as the full model, and of more tokens than a layer has columns.
  const config = { ...full, vocabSize: 5000, encoder: { ...full.encoder, numBlocks: layers[0], tpBlocks: layers[1] } };
  return (await dispatchesOf(traits, convert, config, rows)).map(({ kernel }) => kernel.name);
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
