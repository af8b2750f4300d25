import { SenseVoiceError } from "../error.ts";
import type { HostTensor } from "./host.ts";

const scratchF32 = new Float32Array(1);
const scratchBits = new Int32Array(scratchF32.buffer);

/** The 16 bits of the IEEE 754 half nearest to `x`, ties to even; beyond ±65504 (rounded) it is ±∞. */
export function toF16Bits(x: number): number {
  scratchF32[0] = x;
  return halfOf(scratchBits[0]);
}

/** The same of the bits of an f32, by whole numbers alone: millions of them leave nothing to collect. */
export function halfOf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds to 65536 or more, ∞ among them
  if (magnitude >= 0x38800000) {
    // Normal: re-bias the exponent by 127 - 15 and round the 13 bits that fall off to nearest even.
    const rebiased = magnitude - 0x38000000;
    return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13);
  }
  if (magnitude < 0x33000000) return sign; // below half of the smallest subnormal
  // Subnormal: a multiple of 2^-24, rounded to nearest even.
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - (magnitude >>> 23);
  const floor = significand >>> shift;
  const rest = significand - (floor << shift);
  const half = 1 << (shift - 1);
  return sign | (rest > half || (rest === half && floor % 2 === 1) ? floor + 1 : floor);
}

/** The number that 16 half-precision bits stand for. */
export function fromF16Bits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

let table: Float32Array | undefined;

/** f16 bits → f32, exactly. Goes through a 65 536-entry table: 256 KiB once, then one load a number. */
export function f16ToF32(bits: Uint16Array): Float32Array {
  table ??= Float32Array.from({ length: 0x10000 }, (_, i) => fromF16Bits(i));
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]];
  return out;
}

/** f32 → f16 bits, each rounded to nearest even. */
export function f32ToF16(values: Float32Array): Uint16Array {
  const out = new Uint16Array(values.length);
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) out[i] = halfOf(bits[i]);
  return out;
}

/** bf16 bits → f32, exactly: a bf16 is the upper half of an f32. */
export function bf16ToF32(bits: Uint16Array): Float32Array {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = bits[i] << 16;
  return new Float32Array(out.buffer);
}

/** The tensor with its floats as `dtype`; itself if they are. */
export function castFloats(tensor: HostTensor, dtype: "f32" | "f16"): HostTensor {
  if (tensor.dtype === dtype) return tensor;
  const f32 = asF32(tensor);
  return { dtype, shape: tensor.shape, data: dtype === "f16" ? f32ToF16(f32) : f32 };
}

/** The numbers of a tensor of any float type kept in up to 32 bits, as f32; those of an f32 tensor are not copied. */
export function asF32({ dtype, data }: HostTensor): Float32Array {
  if (dtype === "f32") return data as Float32Array;
  if (dtype === "f16") return f16ToF32(data as Uint16Array);
  if (dtype === "bf16") return bf16ToF32(data as Uint16Array);
  throw new SenseVoiceError(`[tensor] dtype: expected f32, f16 or bf16, got ${dtype}`);
}
