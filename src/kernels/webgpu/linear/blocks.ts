import type { HostData } from "../../../tensor/host.ts";
import { BLOCK } from "../../../tensor/quantized.ts";
import type { Gpu, GpuTensor } from "../gpu.ts";
import { uploadScales, uploadTransposed } from "./columns.ts";
import type { Layout } from "./kernel.ts";
import { floatsOf } from "./plain.ts";
import { int8Tables, signedCodes } from "./plainInt8.ts";

/** Columns and k are padded with zeros to a multiple of these, so that no kernel reads past the end of a weight. */
export const COLUMNS = 64;
const DEPTH = 128;

/**
 * A weight as tiles want it, [K/block, N, block]: what a workgroup copies into its memory at a time lies together, and each lane
 * loads 16 bytes. Floats in blocks of so many k; codes in their own blocks of 32, which are `bits` words.
 */
export const blocks = (ofFloats: number): Layout => ({
  reads: ({ values, bits, halfScales, zeros, tables, int8 }): Record<string, string> => {
    if (values !== "codes") return { w: values === "f32" ? "array<vec4<f32>>" : "array<vec4<u32>>" };
    return {
      ...{ codes: `array<${wordsType(bits)}>`, scales: halfScales ? "array<u32>" : "array<f32>" },
      ...(zeros && { zeros: "array<u32>" }),
      ...(tables && { tables: int8 ? "array<u32>" : "array<f32>" }),
    };
  },
  upload: (gpu, weight) => {
    const [n, k] = weight.shape;
    if (weight.dtype !== "quantized") {
      const dtype = weight.dtype === "f16" ? "f16" : "f32";
      return [uploadBlocks(gpu, floatsOf(weight), dtype, [n, k], ofFloats, ofFloats)];
    }
    const { activation } = weight;
    const { codes, bits, zeros, tables } = activation === undefined ? weight : signedCodes(weight);
    const perRow = Math.ceil(k / BLOCK) * bits;
    const tensors = [uploadBlocks(gpu, codes, "u32", [n, perRow], bits, BLOCK), uploadScales(gpu, weight, COLUMNS)];
    if (zeros) tensors.push(uploadTransposed(gpu, zeros, "u8", n, COLUMNS));
    if (tables) {
      const entries = activation === undefined ? tables : int8Tables(tables);
      const uploaded = gpu.createTensor([entries.length], activation === undefined ? "f32" : "u32", true);
      gpu.write(uploaded, entries);
      tensors.push(uploaded);
    }
    return tensors;
  },
});

/** As many words of a block of codes as one load takes. */
export function wordsOfLoad(bits: number): 1 | 2 | 4 {
  return bits % 4 === 0 ? 4 : bits % 2 === 0 ? 2 : 1;
}

function wordsType(bits: number): string {
  const words = wordsOfLoad(bits);
  return words === 1 ? "u32" : `vec${words}<u32>`;
}

const ARRAYS = { f32: Float32Array, f16: Uint16Array, u32: Uint32Array };

/** [N, M] → [blocks, N padded, perBlock], where perBlock elements of a row are `blockK` of its k. */
function uploadBlocks(
  gpu: Gpu,
  source: HostData,
  dtype: keyof typeof ARRAYS,
  [n, m]: readonly [number, number],
  perBlock: number,
  blockK: number,
): GpuTensor {
  const columns = Math.ceil(n / COLUMNS) * COLUMNS;
  const used = Math.ceil(m / perBlock);
  const count = Math.ceil((used * blockK) / DEPTH) * (DEPTH / blockK);
  const target = new ARRAYS[dtype](count * columns * perBlock);
  for (let column = 0; column < n; column++) {
    const row = source.subarray(column * m, (column + 1) * m);
    for (let block = 0; block < used; block++) {
      target.set(row.subarray(block * perBlock, (block + 1) * perBlock), (block * columns + column) * perBlock);
    }
  }
  const tensor = gpu.createTensor([count, columns, perBlock], dtype, true);
  gpu.write(tensor, target);
  return tensor;
}
