import { f32ToF16 } from "../../../tensor/f16.ts";
import { packCodes, type Weight } from "../../../tensor/quantized.ts";
import type { Gpu } from "../gpu.ts";
import type { MatrixKind } from "../traits.ts";
import { formOf } from "./kernel.ts";
import { LINEAR_KERNELS } from "./kernels.ts";
import { linear, uploadLinear } from "./linear.ts";

const [ROWS, K, N] = [20, 96, 40];

/**
 * The kinds of matrix products that this device computes right, of those that it lists. Subgroup matrices are an experiment
 * of WGSL and of some drivers, and wrong numbers are worse than slow ones. Small whole numbers, so that every sum is exact.
 */
export async function provenMatrices(gpu: Gpu): Promise<MatrixKind[]> {
  const x = wholeNumbers(ROWS * K, 7, 13);
  const w = wholeNumbers(N * K, 5, 11);
  const proven: MatrixKind[] = [];
  for (const [kind, weight] of Object.entries(weightsOf(w)) as [MatrixKind, Weight][]) {
    const kernel = LINEAR_KERNELS.find((k) => k.matrix === kind && k.supports(gpu.traits, formOf(weight)));
    if (kernel && (await isRight(gpu, kernel.name, x, w, weight))) proven.push(kind);
  }
  return proven;
}

function weightsOf(w: Float32Array): Record<MatrixKind, Weight> {
  const shape = [N, K] as const;
  const codes = packCodes(
    Uint8Array.from(w, (v) => v + 128),
    shape,
    8,
  );
  const int8 = { bits: 8, groupSize: K, codes, scales: Float32Array.of(1), activation: 1 };
  return {
    f16: { dtype: "f16", shape, data: f32ToF16(w) },
    int8: { dtype: "quantized", shape, ...int8 },
  };
}

async function isRight(gpu: Gpu, name: string, x: Float32Array, w: Float32Array, weight: Weight): Promise<boolean> {
  const input = gpu.createTensor([ROWS, K]);
  gpu.write(input, x);
  const uploaded = uploadLinear(gpu, name)(weight);
  const y = linear(gpu)(input, uploaded);
  try {
    const got = await gpu.read(y);
    return got.every((value, i) => {
      const [r, c] = [Math.floor(i / N), i % N];
      let sum = 0;
      for (let k = 0; k < K; k++) sum += x[r * K + k] * w[c * K + k];
      return value === sum;
    });
  } catch {
    return false; // it does not compile, say
  } finally {
    for (const item of [input, uploaded, y]) gpu.release(item);
  }
}

/** From −(modulus − 1) / 2 to (modulus − 1) / 2. */
function wholeNumbers(count: number, factor: number, modulus: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => ((i * factor) % modulus) - (modulus - 1) / 2);
}
