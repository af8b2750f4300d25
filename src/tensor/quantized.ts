import { SenseVoiceError } from "../error.ts";
import { f16ToF32, f32ToF16, fromF16Bits } from "./f16.ts";
import type { HostTensor } from "./host.ts";

/** The longest row whose 127 · 128 · K fits an int32. */
const MAX_INT8_K = 2 ** 17;

/** Codes that lie together: 32 codes of b bits are b whole words, whatever b is. */
export const BLOCK = 32;

/**
 * The weight [N, K] of a linear layer in few bits:
 *
 *   w[n, k] = scale(n, g) · value(code(n, k)),  g = ⌊k / groupSize⌋, G = ⌈K / groupSize⌉
 *   value(c) = table[c]       where there are tables (non-uniform),
 *            = c − zero(n, g) where there are none (uniform); zero is 2^(bits−1) unless `zeros` say otherwise.
 *
 * A scheme is data here, not a class: bits, group size, and which of the arrays there are. Uniform or by table, per
 * tensor, channel or group, symmetric or not, all are this one formula, so a kernel needs no more than to read codes.
 */
export interface QuantizedTensor {
  readonly dtype: "quantized";
  readonly shape: readonly [n: number, k: number];
  /** Bits of a code, 2 to 8. */
  readonly bits: number;
  /** Weights along K that share a scale: 32, 64, 128 (a multiple of 32), or K for the whole row. */
  readonly groupSize: number;
  /**
   * [N, ⌈K/32⌉, bits] words: code i of a block is bits i·b … i·b+b−1 of the block's b words, least significant
   * first, and may cross from one word to the next. The codes past K are 0 and mean nothing.
   */
  readonly codes: Uint32Array;
  /** [N, G], or a single one for the whole matrix: f32, or the bits of f16. */
  readonly scales: Float32Array | Uint16Array;
  /** [N, G] codes that stand for 0, if the uniform grid is not symmetric. */
  readonly zeros?: Uint8Array;
  /** [T, 2^bits], T = 1 (one for the matrix), N (for each channel) or N·G (for each group). */
  readonly tables?: Float32Array;
  /**
   * Int8 activations: each row of x becomes whole numbers q too, and a group's products are summed in integers,
   * exactly:
   *
   *   y = (Σ_g f32(Σ_{k in g} q·value(c)) · scale(n, g)) · s,  q = x · r rounded to the nearest (ties to even), in [−127, 127]
   *
   * value(c) must be a whole number from −128 to 127: entries of tables from −127 to 127, and zeros in 7 bits or fewer.
   *
   * "dynamic": s = max|x| · f32(1/127) and r = 127 / max|x| of each row (r = 0 where that is below 1e-30). A number:
   * s for all rows, from calibration, and r = 1 / s. Groups are added in rising order, each product and each sum is
   * rounded to f32, and bias, ReLU and residual follow in this order, so backends agree bit for bit; but a GPU may be
   * 2.5 ulp off in a division, so where x · r is that close to a half, q may differ by one.
   */
  readonly activation?: "dynamic" | number;
}

/** A weight as it goes to a device. */
export type Weight = HostTensor | QuantizedTensor;

/** Groups of a row. */
export function groupsOf({ shape, groupSize }: QuantizedTensor): number {
  return Math.ceil(shape[1] / groupSize);
}

/** The scales in f32. */
export function f32Scales({ scales }: Pick<QuantizedTensor, "scales">): Float32Array {
  return scales instanceof Uint16Array ? f16ToF32(scales) : scales;
}

/** The scale of every group, [N, G], a single one for the matrix repeated. */
export function scalesOfGroups(weight: QuantizedTensor): Float32Array {
  const count = weight.shape[0] * groupsOf(weight);
  const scales = f32Scales(weight);
  return scales.length === count ? scales : new Float32Array(count).fill(scales[0]);
}

/**
 * The scales of groups as the bits of f16; undefined where that does not hold all of them to the bit, and for scales of
 * whole rows, which a file keeps in f32.
 */
export function halfScales(weight: QuantizedTensor): Uint16Array | undefined {
  if (groupsOf(weight) === 1) return undefined;
  if (weight.scales instanceof Uint16Array && weight.scales.length > 1) return weight.scales;
  const scales = scalesOfGroups(weight);
  const halves = f32ToF16(scales);
  return f16ToF32(halves).every((scale, i) => scale === scales[i]) ? halves : undefined;
}

/** Words of a row's codes. */
export function wordsOfRow({ shape, bits }: Pick<QuantizedTensor, "shape" | "bits">): number {
  return Math.ceil(shape[1] / BLOCK) * bits;
}

/** Throws unless the arrays have the lengths that the formula wants, and finite numbers. */
export function checkQuantized(where: string, weight: QuantizedTensor): void {
  const { shape, bits, groupSize, codes, scales, zeros, tables, activation } = weight;
  const [n, k] = shape;
  const fail = (what: string, expected: string | number, got: string | number) => {
    throw new SenseVoiceError(`[${where}] ${what}: expected ${expected}, got ${got}`);
  };
  if (!(Number.isInteger(bits) && bits >= 2 && bits <= 8)) fail("bits", "2 to 8", bits);
  if (!(groupSize === k || (groupSize > 0 && groupSize % BLOCK === 0))) {
    fail("group size", "a multiple of 32, or the whole row", groupSize);
  }
  const groups = groupsOf(weight);
  if (codes.length !== n * wordsOfRow(weight)) fail("codes", `${n * wordsOfRow(weight)} words`, codes.length);
  if (scales.length !== n * groups && scales.length !== 1) {
    fail("scales", `${n * groups} or 1`, scales.length);
  }
  checkFinite(scales, (got) => fail("scales", "finite numbers", got));
  if (zeros) {
    if (zeros.length !== n * groups) fail("zeros", n * groups, zeros.length);
    const tooLarge = zeros.find((zero) => zero >= 2 ** bits);
    if (tooLarge !== undefined) fail("zeros", `codes of ${bits} bits`, tooLarge);
  }
  if (tables) {
    const allowed = [1, n, n * groups].map((count) => count * 2 ** bits);
    if (!allowed.includes(tables.length)) fail("tables", allowed.join(" or "), tables.length);
    checkFinite(tables, (got) => fail("tables", "finite numbers", got));
    if (zeros) fail("zeros", "none beside a table", "some");
  }
  if (activation === undefined) return;
  if (k > MAX_INT8_K) fail("activation", `rows of ${MAX_INT8_K} weights or fewer`, k);
  if (zeros && bits === 8) fail("activation", "zeros in 7 bits or fewer", 8);
  const unfit = tables?.find((entry) => !(Number.isInteger(entry) && Math.abs(entry) <= 127));
  if (unfit !== undefined) fail("activation", "tables of whole numbers from -127 to 127", unfit);
  if (activation !== "dynamic" && !(activation > 0 && activation < Number.POSITIVE_INFINITY)) {
    fail("activation", '"dynamic" or a positive number', activation);
  }
}

function checkFinite(values: Float32Array | Uint16Array, fail: (got: number) => void): void {
  const halves = values instanceof Uint16Array;
  const i = halves ? infiniteHalf(values) : values.findIndex((value) => !(Math.abs(value) < Number.POSITIVE_INFINITY));
  if (i >= 0) fail(halves ? fromF16Bits(values[i]) : values[i]);
}

/** Index of the first NaN or ∞ among the bits of f16, −1 if there is none. A loop of its own, for millions. */
function infiniteHalf(bits: Uint16Array): number {
  for (let i = 0; i < bits.length; i++) if ((bits[i] & 0x7c00) === 0x7c00) return i;
  return -1;
}

/** The codes of row n, one a byte: [K]. */
export function unpackRow(weight: QuantizedTensor, n: number): Uint8Array {
  const { shape, bits, codes } = weight;
  const words = wordsOfRow(weight);
  const row = codes.subarray(n * words, (n + 1) * words);
  const out = new Uint8Array(shape[1]);
  const mask = 2 ** bits - 1;
  for (let k = 0; k < out.length; k++) {
    const bit = k * bits; // blocks of 32 codes are `bits` words, so a row is one stream of bits
    const shift = bit & 31;
    let code = row[bit >>> 5] >>> shift;
    if (shift + bits > 32) code |= row[(bit >>> 5) + 1] << (32 - shift);
    out[k] = code & mask;
  }
  return out;
}

/** Codes, one a byte, [N, K] → words as QuantizedTensor has them. */
export function packCodes(codes: Uint8Array, shape: readonly [n: number, k: number], bits: number): Uint32Array {
  const [n, k] = shape;
  const words = wordsOfRow({ shape, bits });
  const out = new Uint32Array(n * words);
  for (let r = 0; r < n; r++) {
    for (let i = 0; i < k; i++) {
      const bit = i * bits;
      const shift = bit & 31;
      const at = r * words + (bit >>> 5);
      const code = codes[r * k + i];
      out[at] |= code << shift;
      if (shift + bits > 32) out[at + 1] |= code >>> (32 - shift);
    }
  }
  return out;
}

/** value(code(n, k)), f32 [N, K]: the weights before they are scaled. */
export function valuesOf(weight: QuantizedTensor): Float32Array {
  const { shape, bits, groupSize, zeros, tables } = weight;
  const [n, k] = shape;
  const groups = groupsOf(weight);
  const size = 2 ** bits;
  const tableCount = tables ? tables.length / size : 0;
  const out = new Float32Array(n * k);
  for (let r = 0; r < n; r++) {
    const codes = unpackRow(weight, r);
    for (let i = 0; i < k; i++) {
      const group = r * groups + Math.floor(i / groupSize);
      const table = tableCount === 1 ? 0 : tableCount === n ? r : group;
      out[r * k + i] = tables ? tables[table * size + codes[i]] : codes[i] - (zeros ? zeros[group] : size / 2);
    }
  }
  return out;
}

/** The weights that the codes stand for, f32 [N, K]: the meaning of the format, and the oracle of its kernels. */
export function dequantize(weight: QuantizedTensor): Float32Array {
  const { shape, groupSize } = weight;
  const [n, k] = shape;
  const groups = groupsOf(weight);
  const scales = f32Scales(weight);
  const out = valuesOf(weight);
  for (let r = 0; r < n; r++) {
    for (let i = 0; i < k; i++) {
      out[r * k + i] *= scales[scales.length === 1 ? 0 : r * groups + Math.floor(i / groupSize)];
    }
  }
  return out;
}
