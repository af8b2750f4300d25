import { SenseVoiceError } from "../error.ts";
import { asF32 } from "../tensor/f16.ts";
import type { DType, HostTensor } from "../tensor/host.ts";

/**
 * The exponents in a 32-bit word, which holds one f32 or two numbers of 16 bits, and the lowest bit of each. A number
 * is NaN or ∞ if its exponent is all ones; then the sum of both carries into the sign.
 */
const EXPONENTS: Readonly<Partial<Record<DType, { readonly mask: number; readonly lowest: number }>>> = {
  f32: { mask: 0x7f800000, lowest: 0x00800000 },
  f16: { mask: 0x7c007c00, lowest: 0x04000400 },
  bf16: { mask: 0x7f807f80, lowest: 0x00800080 },
};
const SIGNS = 0x80008000;

/** Words between two looks at the clock. */
const SLICE = 2 ** 16;

/** Throws a SenseVoiceError that names the tensor and the element unless all are finite numbers in f32, f16 or bf16. */
export async function expectWeights(
  name: string,
  tensor: HostTensor,
  pause: () => Promise<void> | undefined,
): Promise<void> {
  const { dtype, data } = tensor;
  const exponents = EXPONENTS[dtype];
  if (!exponents) throw new SenseVoiceError(`[weights] ${name}: expected f32, f16 or bf16, got ${dtype}`);
  const { mask, lowest } = exponents;
  const words = new Int32Array(data.buffer, data.byteOffset, data.byteLength >> 2);
  // The last of an odd number of halves is in no word.
  let finite = data.byteLength % 4 === 0 || areFinite(Int32Array.of(data[data.length - 1]), mask, lowest);
  for (let at = 0; at < words.length; at += SLICE) {
    finite &&= areFinite(words.subarray(at, at + SLICE), mask, lowest);
    await pause();
  }
  if (finite) return;
  const values = asF32(tensor);
  const i = values.findIndex((value) => !Number.isFinite(value));
  throw new SenseVoiceError(`[weights] ${name}: expected finite numbers, got ${values[i]} at ${i}`);
}

/** No branches, and two words a turn: that takes a quarter less time than one. */
function areFinite(words: Int32Array, mask: number, lowest: number): boolean {
  const pairs = words.length & ~1;
  let carries = 0;
  for (let i = 0; i < pairs; i += 2) {
    carries |= ((words[i] & mask) + lowest) | 0 | (((words[i + 1] & mask) + lowest) | 0);
  }
  if (pairs < words.length) carries |= (words[pairs] & mask) + lowest;
  return (carries & SIGNS) === 0;
}
