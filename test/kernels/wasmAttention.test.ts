import { describe, expect, test } from "vitest";
import { referenceBackend } from "../../src/kernels/reference/backend.ts";
import { WasmDevice } from "../../src/kernels/wasm/device.ts";
import { linear, uploadLinear } from "../../src/kernels/wasm/linear.ts";
import { loadKernels } from "../../src/kernels/wasm/module.ts";
import { sanm } from "../../src/kernels/wasm/sanm.ts";
import { upload } from "../../src/kernels/wasm/upload.ts";
import { uploadBatch } from "../../src/tensor/backend.ts";
import { INT8, ROWS, randomQuantized } from "../support/quantized.ts";
import { randomizer } from "../support/random.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";

const kernels = await loadKernels();

function offsetsOf(lengths: readonly number[]): Uint32Array {
  return Uint32Array.from([0, ...lengths.map((_, i) => lengths.slice(0, i + 1).reduce((sum, length) => sum + length))]);
}

// What comes from products in int8 is attended in whole numbers: by quads where they come out right, else by int16 pairs.
for (const kind of ["i16", "quads"] as const) {
  const int8 = kernels.int8.filter((products) => products.kind === kind && !products.positive);
  const tolerance = kind === "quads" ? TOLERANCE.attentionInt8 : TOLERANCE.attentionInt16;

  describe.skipIf(int8.length === 0)(`attention behind int8 products, by ${kind}, against the reference`, () => {
    /** The largest error on one thread, on two and on three. */
    async function difference(lengths: readonly number[], heads: number, width: number): Promise<number> {
      const random = randomizer(lengths[0] + width);
      const d = heads * width;
      const rows = lengths.reduce((sum, length) => sum + length);
      const [x, taps] = [random([rows, 32], 4), random([d, 3])];
      const weight = randomQuantized(width, [3 * d, 32], INT8);

      const reference = referenceBackend();
      const qkv = reference.linear(reference.upload(x), reference.uploadLinear(weight));
      const batch = uploadBatch(reference, lengths);
      const expected = await reference.read(reference.sanm(qkv, reference.upload(taps), heads, batch).attended);
      expect(expected.some((v) => v !== 0)).toBe(true);

      const errors = [1, 2, 3].map(async (threads) => {
        const device = new WasmDevice({ ...kernels, int8 }, threads);
        const toDevice = upload(device);
        const qkv = linear(device)(toDevice(x), uploadLinear(device)(weight));
        const offsets = toDevice({ dtype: "u32", shape: batch.offsets.shape, data: offsetsOf(lengths) });
        const { attended } = sanm(device)(qkv, toDevice(taps), heads, { offsets, lengths });
        const got = await device.read(attended);
        device.close();
        return relativeError(got, expected);
      });
      return Math.max(...(await Promise.all(errors)));
    }

    for (const rows of [...ROWS, 255, 257, 700]) {
      test(`${rows} rows`, async () => {
        for (const [heads, width] of [
          [2, 128],
          [4, 32],
          [1, 12],
          [3, 20],
        ]) {
          expect(await difference([rows], heads, width)).toBeLessThan(tolerance);
        }
      });
    }

    test("clips of a batch do not see one another", async () => {
      expect(await difference([1, 31, 4, 70, 65], 2, 64)).toBeLessThan(tolerance);
      expect(await difference([255, 1, 257, 256, 3], 2, 12)).toBeLessThan(tolerance);
    });
  });
}
