import { SenseVoiceError } from "../error.ts";

/** Element types that a tensor on the host can have. f16 and bf16 are kept as their 16 bits in a Uint16Array. */
export type DType = "f64" | "f32" | "f16" | "bf16" | "i32" | "u32" | "i8" | "u8";

export type HostData = Float64Array | Float32Array | Uint16Array | Int32Array | Uint32Array | Int8Array | Uint8Array;

/** Numbers in the host's memory: row-major, no strides. The currency between files, quantisation and backends. */
export interface HostTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: HostData;
}

export const BYTES_PER_ELEMENT: Readonly<Record<DType, number>> = {
  f64: 8,
  f32: 4,
  f16: 2,
  bf16: 2,
  i32: 4,
  u32: 4,
  i8: 1,
  u8: 1,
};

/** Number of elements of a shape: the product of its sizes (1 for a scalar). */
export function elementCount(shape: readonly number[]): number {
  let product = 1;
  for (const size of shape) product *= size;
  return product;
}

/** Throws `[where] name: expected shape […], got […]` unless the shapes are equal. */
export function expectShape(where: string, name: string, got: readonly number[], expected: readonly number[]): void {
  if (got.length === expected.length && got.every((size, i) => size === expected[i])) return;
  throw new SenseVoiceError(`[${where}] ${name}: expected shape [${expected.join(", ")}], got [${got.join(", ")}]`);
}
