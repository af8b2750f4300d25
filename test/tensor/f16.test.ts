import { describe, expect, test } from "vitest";
import { asF32, bf16ToF32, castFloats, f16ToF32, f32ToF16, fromF16Bits, toF16Bits } from "../../src/tensor/f16.ts";
import type { HostTensor } from "../../src/tensor/host.ts";

const INFINITY = 0x7c00;

/** The f32 numbers right below and above one that is not negative. */
function neighbours(x: number): [below: number, above: number] {
  const f32 = Float32Array.of(x, x);
  const bits = new Uint32Array(f32.buffer);
  bits[0] -= 1;
  bits[1] += 1;
  return [f32[0], f32[1]];
}

describe("the number that a half stands for", () => {
  test("known ones", () => {
    const known = {
      0: 0,
      1: 2 ** -24,
      1024: 2 ** -14,
      13653: 0.333251953125,
      15360: 1,
      49152: -2,
      31743: 65504,
    };
    for (const [bits, value] of Object.entries(known)) expect(fromF16Bits(Number(bits))).toBe(value);
    expect(fromF16Bits(0x8000)).toBe(-0);
    expect([0x7c00, 0xfc00, 0x7c01, 0xffff].map(fromF16Bits)).toEqual([Infinity, -Infinity, NaN, NaN]);
  });

  test("one half is a step of its binade above the one before, and the negative ones mirror them", () => {
    for (let bits = 1; bits < INFINITY; bits++) {
      const step = 2 ** (Math.max((bits - 1) >> 10, 1) - 25);
      expect(fromF16Bits(bits) - fromF16Bits(bits - 1)).toBe(step);
      expect(fromF16Bits(bits | 0x8000)).toBe(-fromF16Bits(bits));
    }
  });

  test("f16ToF32 and bf16ToF32, all 65 536", () => {
    const all = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
    expect(f16ToF32(all)).toEqual(Float32Array.from(all, fromF16Bits));
    const upper = bf16ToF32(all);
    expect(new Uint32Array(upper.buffer).every((word, i) => word === i * 0x10000)).toBe(true);
  });
});

describe("the half nearest to a number", () => {
  test("every half is its own", () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const nan = (bits & 0x7fff) > INFINITY;
      expect(toF16Bits(fromF16Bits(bits))).toBe(nan ? 0x7e00 : bits);
    }
  });

  test("between two: the nearer; in the middle the even one; the largest rounds to ∞ from 65520 on", () => {
    for (let bits = 0; bits < INFINITY; bits++) {
      const low = fromF16Bits(bits);
      const high = bits + 1 === INFINITY ? 65536 : fromF16Bits(bits + 1);
      const middle = (low + high) / 2; // of 12 bits: exact in f32
      const even = bits % 2 === 0 ? bits : bits + 1;
      const [below, above] = neighbours(middle);
      const tried = [neighbours(low)[1], below, middle, above, neighbours(high)[0]];
      const expected = [bits, bits, even, bits + 1, bits + 1];
      expect(tried.map(toF16Bits)).toEqual(expected);
      expect(tried.map((x) => toF16Bits(-x))).toEqual(expected.map((half) => half | 0x8000));
    }
  });

  test("far beyond either end", () => {
    const values = [65536, 1e30, Infinity, 2 ** -26, 1e-40];
    expect(values.map(toF16Bits)).toEqual([INFINITY, INFINITY, INFINITY, 0, 0]);
    expect(values.map((x) => toF16Bits(-x))).toEqual([0xfc00, 0xfc00, 0xfc00, 0x8000, 0x8000]);
    expect(f32ToF16(Float32Array.of(1, -0.5, NaN))).toEqual(Uint16Array.of(0x3c00, 0xb800, 0x7e00));
  });
});

describe("tensors as f32 or f16", () => {
  const shape = [2];
  const f32: HostTensor = { dtype: "f32", shape, data: Float32Array.of(-1.5, 65504) };
  const f16: HostTensor = { dtype: "f16", shape, data: Uint16Array.of(0xbe00, 0x7bff) };

  test("any float type becomes f32; f32 is not copied", () => {
    expect(asF32(f32)).toBe(f32.data);
    expect(asF32(f16)).toEqual(f32.data);
    expect(asF32({ dtype: "bf16", shape, data: Uint16Array.of(0xbfc0, 0x3f80) })).toEqual(Float32Array.of(-1.5, 1));
    for (const dtype of ["u32", "f64", "i8"] as const) {
      expect(() => asF32({ dtype, shape, data: Uint32Array.of(1, 2) })).toThrow(
        `[tensor] dtype: expected f32, f16 or bf16, got ${dtype}`,
      );
    }
  });

  test("floats are cast, and stay what they are if they are that already", () => {
    expect(castFloats(f32, "f16")).toEqual(f16);
    expect(castFloats(f16, "f32")).toEqual(f32);
    expect(castFloats(f32, "f32")).toBe(f32);
    expect(castFloats(f16, "f16")).toBe(f16);
  });
});
