import { f32ToF16 } from "../../../tensor/f16.ts";
import { packCodes, type Weight } from "../../../tensor/quantized.ts";
import type { Gpu, GpuTensor } from "../gpu.ts";
import type { MatrixKind } from "../traits.ts";
import { formOf } from "./kernel.ts";
import { LINEAR_KERNELS } from "./kernels.ts";
import { linear, uploadLinear } from "./linear.ts";

const [ROWS, K, N] = [20, 96, 40];

/** x, and what of it a kernel multiplies: whole numbers, so that every sum is exact. */
interface Rows {
  readonly x: Float32Array;
  readonly values: Float32Array;
  /** Of the layer norm that makes the values of x. */
  readonly gamma?: Float32Array;
}

/**
 * The kinds of matrix products that this device computes right, of those that it lists. Subgroup matrices are an experiment
 * of WGSL and of some drivers, and wrong numbers are worse than slow ones. Rows are normalised, or rounded by their own
 * largest number, so that what their lanes pass to one another is tried too.
 */
export async function provenMatrices(gpu: Gpu): Promise<MatrixKind[]> {
  const w = wholeNumbers(N * K, 5, 11);
  const rows = { f16: normalised(), int8: scaled() };
  const proven: MatrixKind[] = [];
  for (const [kind, weight] of Object.entries(weightsOf(w)) as [MatrixKind, Weight][]) {
    const kernel = LINEAR_KERNELS.find((k) => k.matrix === kind && k.supports(gpu.traits, formOf(weight)));
    if (kernel && (await isRight(gpu, kernel.name, rows[kind], w, weight))) proven.push(kind);
  }
  return proven;
}

/** ±32, ±64, … in equal numbers, another size in each row: 1 and −1 once normalised, in f16 exactly, times gamma. */
function normalised(): Rows {
  const gamma = wholeNumbers(K, 7, 13);
  const sign = (i: number) => (((i % K) * 5 + Math.floor(i / K)) % 2 ? 1 : -1);
  const x = Float32Array.from({ length: ROWS * K }, (_, i) => sign(i) * 2 ** (5 + (Math.floor(i / K) % 4)));
  return { x, gamma, values: x.map((v, i) => Math.sign(v) * gamma[i % K]) };
}

/** A 127 in each row, which makes its scale 1, in another place each. */
function scaled(): Rows {
  const x = wholeNumbers(ROWS * K, 7, 13);
  for (let row = 0; row < ROWS; row++) x[row * K + ((row * 29) % K)] = 127;
  return { x, values: x };
}

function weightsOf(w: Float32Array): Record<MatrixKind, Weight> {
  const shape = [N, K] as const;
  const codes = packCodes(
    Uint8Array.from(w, (v) => v + 128),
    shape,
    8,
  );
  const int8 = { bits: 8, groupSize: K, codes, scales: Float32Array.of(1), activation: "dynamic" } as const;
  return {
    f16: { dtype: "f16", shape, data: f32ToF16(w) },
    int8: { dtype: "quantized", shape, ...int8 },
  };
}

async function isRight(gpu: Gpu, name: string, rows: Rows, w: Float32Array, weight: Weight): Promise<boolean> {
  const upload = (shape: readonly number[], data: Float32Array): GpuTensor => {
    const tensor = gpu.createTensor(shape);
    gpu.write(tensor, data);
    return tensor;
  };
  const { x, values, gamma } = rows;
  const input = upload([ROWS, K], x);
  const norm = gamma && { gamma: upload([K], gamma), beta: upload([K], new Float32Array(K)) };
  const uploaded = uploadLinear(gpu, name)(weight);
  const y = linear(gpu)(input, uploaded, { norm });
  try {
    const got = await gpu.read(y);
    return got.every((value, i) => {
      const [r, c] = [Math.floor(i / N), i % N];
      let sum = 0;
      for (let k = 0; k < K; k++) sum += values[r * K + k] * w[c * K + k];
      return value === sum;
    });
  } catch {
    return false; // it does not compile, say
  } finally {
    for (const item of [input, uploaded, y, ...(norm ? [norm.gamma, norm.beta] : [])]) gpu.release(item);
  }
}

/** From −(modulus − 1) / 2 to (modulus − 1) / 2. */
function wholeNumbers(count: number, factor: number, modulus: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => ((i * factor) % modulus) - (modulus - 1) / 2);
}
