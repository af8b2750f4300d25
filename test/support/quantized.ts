import { f16ToF32, f32ToF16 } from "../../src/tensor/f16.ts";
import { BLOCK, f32Scales, packCodes, type QuantizedTensor, type Weight } from "../../src/tensor/quantized.ts";
import type { Computation } from "./backend.ts";
import { randomizer } from "./random.ts";

export interface RandomScheme {
  readonly bits: number;
  /** Weights that share a scale: "matrix", "row", or so many. */
  readonly scale: "matrix" | "row" | number;
  readonly zeros?: boolean;
  readonly tables?: "matrix" | "row" | "group";
  readonly activation?: "dynamic" | number;
}

/**
 * A weight of random codes, and of scales, zero points and tables that f16 holds; with int8 activations the tables'
 * entries are whole numbers. Weights are about 0.1 in size.
 */
export function randomQuantized(
  seed: number,
  shape: readonly [n: number, k: number],
  { bits, scale, zeros, tables, activation }: RandomScheme,
): QuantizedTensor {
  const random = randomizer(seed);
  const [n, k] = shape;
  const numbers = (count: number, size: number) => random([count], size).data as Float32Array;
  const stored = (values: Float32Array) => f16ToF32(f32ToF16(values));
  const codesBelow = (count: number, limit: number) => {
    return Uint8Array.from(numbers(count, 1), (v) => Math.floor((v / 2 + 0.5) * limit) % limit);
  };
  const size = 2 ** bits;
  const groupSize = typeof scale === "number" ? scale : k;
  const groups = n * Math.ceil(k / groupSize);
  const tableCount = { matrix: 1, row: n, group: groups };
  const largest = activation === undefined ? 1 : 127;
  const entries = (count: number) => {
    return activation === undefined ? stored(numbers(count, 1)) : numbers(count, 127).map(Math.round);
  };
  const step = tables ? 0.1 / largest : 0.2 / size;
  return {
    dtype: "quantized",
    shape,
    bits,
    groupSize,
    codes: packCodes(codesBelow(n * k, size), shape, bits),
    scales: stored(numbers(scale === "matrix" ? 1 : groups, 0.5).map((v) => (v + 0.75) * step)),
    ...(zeros && { zeros: codesBelow(groups, size) }),
    ...(tables && { tables: entries(tableCount[tables] * size) }),
    ...(activation !== undefined && { activation }),
  };
}

/** The weight with scales in f32, as quantisation makes them; a file's come in f16. */
export function withF32Scales(weight: Weight): Weight {
  return weight.dtype === "quantized" ? { ...weight, scales: f32Scales(weight) } : weight;
}

export const INT8 = { bits: 8, scale: "row", activation: "dynamic" } satisfies RandomScheme;
export const INT8_STATIC = { bits: 8, scale: "matrix", activation: 0.01 } satisfies RandomScheme;

/** Schemes of every kind: each width, each granularity, zero points, each kind of table. */
export const SCHEMES: readonly RandomScheme[] = [
  ...[2, 3, 4, 5, 6, 7, 8].flatMap((bits): RandomScheme[] => [
    { bits, scale: BLOCK },
    { bits, scale: 64, tables: "matrix" },
  ]),
  ...[2, 3, 4, 8].map((bits): RandomScheme => ({ bits, scale: 64, zeros: true })),
  ...[2, 4].map((bits): RandomScheme => ({ bits, scale: "matrix", tables: "row" })),
  { bits: 8, scale: "row" },
  { bits: 4, scale: "matrix" },
  { bits: 4, scale: 128, zeros: true },
  { bits: 4, scale: "row", zeros: true },
  { bits: 3, scale: BLOCK, tables: "group" },
  { bits: 4, scale: "row", tables: "group" },
  ...[2, 3, 4, 5, 6].map((bits): RandomScheme => ({ bits, scale: "row", tables: "matrix" })),
];

/** The same for int8 activations, but for zero points of 8 bits, which do not fit; scaled by the row and by a number. */
export const INT8_SCHEMES: readonly RandomScheme[] = [
  ...SCHEMES.filter(({ bits, zeros }) => !(bits === 8 && zeros)),
  { bits: 7, scale: 64, zeros: true },
].map((scheme, i) => ({ ...scheme, activation: i % 3 === 0 ? 0.01 : "dynamic" }));

/** Rows, widths and columns at which kernels are tried. */
export const ROWS = [1, 3, 31, 33, 127, 171];
export const WIDTHS = [32, 96, 256, 560];
export const COLUMNS = [31, 256, 995];

/** `linear` with a weight of the scheme at every width; the rows and columns that it leaves out its neighbours take. */
export function linearsOf(scheme: RandomScheme, seed: number): Computation[] {
  return WIDTHS.map((k, i) => {
    const rows = ROWS[(seed + i) % ROWS.length];
    const n = COLUMNS[(seed + i) % COLUMNS.length];
    const weight = randomQuantized(seed, [n, k], scheme);
    const random = randomizer(i);
    const [x, bias, residual] = [random([rows, k]), random([n]), random([rows, n])];
    return (b) => {
      const options = { bias: b.upload(bias), relu: true, residual: b.upload(residual) };
      return b.linear(b.upload(x), b.uploadLinear(weight), options);
    };
  });
}
