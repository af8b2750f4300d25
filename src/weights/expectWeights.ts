import { SenseVoiceError } from "../error.ts";
import { asF32 } from "../tensor/f16.ts";
import type { HostTensor } from "../tensor/host.ts";

/** The exponents in a 32-bit word, which holds one f32 or two numbers of 16 bits, and the lowest bit of each. */
const EXPONENTS: ReadonlyMap<string, readonly [all: number, lowest: number]> = new Map([
  ["f32", [0x7f800000, 0x00800000]],
  ["f16", [0x7c007c00, 0x04000400]],
  ["bf16", [0x7f807f80, 0x00800080]],
]);
const SLICE = 2 ** 16; // words between two looks at the clock

/**
 * Throws a SenseVoiceError that names an entry of a weights file unless it has the type that it must have: u32 for codes,
 * u8 for zero points, i8 or floats for scales, f32, f16 or bf16 for all else, where each number must be finite.
 */
export async function expectWeights(
  name: string,
  tensor: HostTensor,
  pause: () => Promise<void> | undefined,
): Promise<void> {
  const { dtype, data } = tensor;
  const exponents = EXPONENTS.get(dtype);
  const scales = name.endsWith(".scales") && dtype === "i8";
  const integers = name.endsWith(".codes") ? "u32" : name.endsWith(".zeros") ? "u8" : scales ? "i8" : undefined;
  if (integers ? dtype !== integers : !exponents) {
    throw new SenseVoiceError(`[weights] ${name}: expected ${integers ?? "f32, f16 or bf16"}, got ${dtype}`);
  }
  if (!exponents || integers) return;
  const words = new Int32Array(data.buffer, data.byteOffset, data.byteLength >> 2);
  // The last of an odd number of halves is in no word.
  let signs = data.byteLength % 4 ? carries(Int32Array.of(data[data.length - 1]), ...exponents) : 0;
  for (let at = 0; at < words.length; at += SLICE) {
    signs |= carries(words.subarray(at, at + SLICE), ...exponents);
    await pause();
  }
  if ((signs & 0x80008000) === 0) return;
  const values = asF32(tensor);
  const i = values.findIndex((value) => !Number.isFinite(value));
  throw new SenseVoiceError(`[weights] ${name}: expected finite numbers, got ${values[i]} at ${i}`);
}

/** Carries into the sign bits, where an exponent is all ones: NaN or ∞. No branches, two words a turn: it is fast. */
function carries(words: Int32Array, all: number, lowest: number): number {
  let sum = 0;
  const pairs = words.length & ~1;
  for (let i = 0; i < pairs; i += 2) sum |= ((words[i] & all) + lowest) | ((words[i + 1] & all) + lowest);
  return pairs < words.length ? sum | ((words[pairs] & all) + lowest) : sum;
}
