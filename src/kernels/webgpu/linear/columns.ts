import type { HostData } from "../../../tensor/host.ts";
import { halfScales, type QuantizedTensor, scalesOfGroups } from "../../../tensor/quantized.ts";
import type { Gpu, GpuTensor } from "../gpu.ts";

const ARRAYS = { f32: Float32Array, u32: Uint32Array, f16: Uint16Array, u8: Uint8Array };
/** Rows and columns turned at a time, so that reads and writes stay in the cache. */
const TILE = 32;

/** Uploads a matrix [N, M] as [M, N rounded up to `multiple`], zeros in the extra columns. */
export function uploadTransposed(
  gpu: Gpu,
  source: HostData,
  dtype: keyof typeof ARRAYS,
  n: number,
  multiple = 4,
): GpuTensor {
  const m = source.length / n;
  const stride = Math.ceil(n / multiple) * multiple;
  const target = new ARRAYS[dtype](m * stride);
  for (let firstRow = 0; firstRow < n; firstRow += TILE) {
    const endRow = Math.min(firstRow + TILE, n);
    for (let firstColumn = 0; firstColumn < m; firstColumn += TILE) {
      const endColumn = Math.min(firstColumn + TILE, m);
      for (let i = firstColumn; i < endColumn; i++) {
        for (let j = firstRow; j < endRow; j++) target[i * stride + j] = source[j * m + i];
      }
    }
  }
  const tensor = gpu.createTensor([m, stride], dtype, true);
  gpu.write(tensor, target);
  return tensor;
}

/** Scales [N, G] as [G, N rounded up to `multiple`]: in f16 as WeightForm.halfScales says, else in f32. */
export function uploadScales(gpu: Gpu, weight: QuantizedTensor, multiple?: number): GpuTensor {
  const [n] = weight.shape;
  const halves = halfScales(weight);
  if (halves) return uploadTransposed(gpu, halves, "f16", n, multiple);
  return uploadTransposed(gpu, scalesOfGroups(weight), "f32", n, multiple);
}
