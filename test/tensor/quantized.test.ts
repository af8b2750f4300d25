import { describe, expect, test } from "vitest";
import { checkQuantized, dequantize, packCodes, type QuantizedTensor, unpackRow } from "../../src/tensor/quantized.ts";
import { INT8_SCHEMES, randomQuantized, SCHEMES } from "../support/quantized.ts";

describe("codes", () => {
  test.each([2, 3, 4, 5, 6, 7, 8])("%i bits: unpacking undoes packing, for rows of any length", (bits) => {
    for (const k of [1, 31, 32, 33, 100]) {
      const codes = Uint8Array.from({ length: 3 * k }, (_, i) => (i * 37 + 11) % 2 ** bits);
      const packed = packCodes(codes, [3, k], bits);
      expect(packed.length).toBe(3 * Math.ceil(k / 32) * bits);
      const weight = { ...randomQuantized(1, [3, k], { bits, scale: "row" }), codes: packed };
      for (const n of [0, 1, 2]) expect(unpackRow(weight, n)).toEqual(codes.slice(n * k, (n + 1) * k));
    }
  });

  test("least significant bits first, over the end of a word: 3 bits by hand", () => {
    const codes = new Uint8Array(32);
    codes.set([1, 2, 7], 0);
    codes[10] = 0b101; // bits 30, 31 and 32
    const first = 0b111_010_001 + 2 ** 30; // code 10 begins with its two low bits, 01
    expect(packCodes(codes, [1, 32], 3)).toEqual(Uint32Array.of(first, 1, 0));
  });
});

describe("what codes stand for", () => {
  const base = { dtype: "quantized", shape: [2, 64], bits: 2, groupSize: 32 } as const;
  const codes = packCodes(
    Uint8Array.from({ length: 128 }, (_, i) => i % 4),
    [2, 64],
    2,
  );
  const firstOfGroups = (weight: QuantizedTensor) => {
    const values = dequantize(weight);
    return [0, 32, 64, 96].map((at) => Array.from(values.subarray(at, at + 4)));
  };

  test("uniform: scale · (code − 2^(bits−1))", () => {
    const scales = Float32Array.of(1, 2, -1, 0.5);
    expect(firstOfGroups({ ...base, codes, scales })).toEqual([
      [-2, -1, 0, 1],
      [-4, -2, 0, 2],
      [2, 1, -0, -1],
      [-1, -0.5, 0, 0.5],
    ]);
  });

  test("zero points: scale · (code − zero)", () => {
    const [scales, zeros] = [Float32Array.of(1, 2, 1, 1), Uint8Array.of(0, 1, 2, 3)];
    expect(firstOfGroups({ ...base, codes, scales, zeros })).toEqual([
      [0, 1, 2, 3],
      [-2, 0, 2, 4],
      [-2, -1, 0, 1],
      [-3, -2, -1, 0],
    ]);
  });

  test("tables for the matrix, a channel, a group", () => {
    const scales = Float32Array.of(10);
    const tables = Float32Array.from({ length: 16 }, (_, i) => i);
    const ofGroups = (count: number) =>
      firstOfGroups({ ...base, codes, scales, tables: tables.subarray(0, count * 4) }).map(([first]) => first);
    expect(ofGroups(1)).toEqual([0, 0, 0, 0]);
    expect(ofGroups(2)).toEqual([0, 0, 40, 40]);
    expect(ofGroups(4)).toEqual([0, 40, 80, 120]);
  });
});

test("schemes of every kind are allowed", () => {
  for (const scheme of [...SCHEMES, ...INT8_SCHEMES]) {
    expect(() => checkQuantized("here", randomQuantized(1, [4, 96], scheme))).not.toThrow();
  }
});

test("so is what just fits", () => {
  const weight = randomQuantized(1, [4, 96], { bits: 4, scale: 32 });
  const long = randomQuantized(1, [1, 2 ** 17], { bits: 2, scale: "row", activation: "dynamic" });
  const table = new Float32Array(16).with(0, -127).with(15, 127);
  const all: QuantizedTensor[] = [
    long,
    { ...weight, zeros: new Uint8Array(12).fill(15) },
    { ...weight, tables: table, activation: "dynamic" },
    { ...weight, activation: 1e-30 },
    { ...randomQuantized(1, [4, 96], { bits: 7, scale: 32, zeros: true }), activation: "dynamic" },
  ];
  for (const one of all) expect(() => checkQuantized("here", one)).not.toThrow();
});

describe("a weight that contradicts itself is refused", () => {
  const weight = randomQuantized(1, [4, 96], { bits: 4, scale: 32 });
  const table = new Float32Array(16);
  const int8 = randomQuantized(1, [4, 96], { bits: 8, scale: "row", activation: "dynamic" });
  test.each<[string, QuantizedTensor, string]>([
    ["bits", { ...weight, bits: 9 }, "bits: expected 2 to 8, got 9"],
    ["too few bits", { ...weight, bits: 1 }, "bits: expected 2 to 8, got 1"],
    ["a fraction of a bit", { ...weight, bits: 4.5 }, "bits: expected 2 to 8, got 4.5"],
    ["no group", { ...weight, groupSize: 0 }, "group size: expected a multiple of 32, or the whole row, got 0"],
    ["a negative group", { ...weight, groupSize: -32 }, "group size: expected a multiple of 32"],
    ["group", { ...weight, groupSize: 48 }, "group size: expected a multiple of 32, or the whole row, got 48"],
    ["codes", { ...weight, codes: new Uint32Array(47) }, "codes: expected 48 words, got 47"],
    ["scales", { ...weight, scales: new Float32Array(4) }, "scales: expected 12 or 1, got 4"],
    ["NaN", { ...weight, scales: Float32Array.of(Number.NaN) }, "scales: expected finite numbers, got NaN"],
    ["zeros", { ...weight, zeros: new Uint8Array(4) }, "zeros: expected 12, got 4"],
    ["a zero", { ...weight, zeros: new Uint8Array(12).fill(16) }, "zeros: expected codes of 4 bits, got 16"],
    ["tables", { ...weight, tables: table.subarray(1) }, "tables: expected 16 or 64 or 192, got 15"],
    ["∞", { ...weight, tables: table.map(() => Infinity) }, "tables: expected finite numbers, got Infinity"],
    ["both", { ...weight, tables: table, zeros: new Uint8Array(12) }, "zeros: expected none beside a table"],
    [
      "int8 of long rows",
      { ...randomQuantized(1, [1, 2 ** 17 + 32], { bits: 2, scale: "row" }), activation: "dynamic" },
      "activation: expected rows of 131072 weights or fewer, got 131104",
    ],
    [
      "int8 and zeros of 8 bits",
      { ...randomQuantized(1, [4, 96], { bits: 8, scale: 32, zeros: true }), activation: "dynamic" },
      "activation: expected zeros in 7 bits or fewer, got 8",
    ],
    [
      "int8 and a table of fractions",
      { ...weight, tables: table.with(3, 0.5), activation: "dynamic" },
      "activation: expected tables of whole numbers from -127 to 127, got 0.5",
    ],
    [
      "int8 and a table of large numbers",
      { ...weight, tables: table.with(3, -128), activation: 1 },
      "activation: expected tables of whole numbers from -127 to 127, got -128",
    ],
    ["∞ as a scale", { ...int8, activation: Infinity }, 'activation: expected "dynamic" or a positive number'],
    ["a scale of 0", { ...int8, activation: 0 }, 'activation: expected "dynamic" or a positive number, got 0'],
  ])("%s", (_, bad, message) => {
    expect(() => checkQuantized("here", weight)).not.toThrow();
    expect(() => checkQuantized("here", bad)).toThrow(`[here] ${message}`);
  });
});
