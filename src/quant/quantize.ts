import { SenseVoiceError } from "../error.ts";
import { asF32 } from "../tensor/f16.ts";
import { dequantize, packCodes, type QuantizedTensor, type Weight } from "../tensor/quantized.ts";
import { fitGrid, type SharedGrid } from "./fitGrid.ts";
import { damped, diagonalOf, gptq, prepareCompensation } from "./gptq.ts";
import { entryStore, roundToNearest } from "./grid.ts";
import { learn } from "./learn.ts";
import { needsStatistics, PRESETS, type Scheme } from "./scheme.ts";
import { percentileOf, type Sizes, type Statistics } from "./statistics.ts";

/** Share of inputs that a static activation scale holds without saturating. */
const STATIC_SHARE = 0.9999;

export interface QuantizeOptions {
  /** For messages. */
  readonly name?: string;
  /** The layer's inputs on calibration sound. */
  readonly statistics?: Statistics;
  /** With granularity "model": fitSharedGrid's. */
  readonly shared?: SharedGrid;
}

/**
 * Puts the weight [N, K] of a linear layer into few bits.
 * @throws SenseVoiceError if the weight has NaN or ∞ in it, or the scheme needs statistics and there are none
 */
export function quantizeTensor(
  weight: Float32Array,
  shape: readonly [n: number, k: number],
  scheme: Scheme,
  { name = "weight", statistics, shared }: QuantizeOptions = {},
): QuantizedTensor {
  const [n, k] = shape;
  const { bits } = scheme;
  const fail = (expected: string, got: string | number): never => {
    throw new SenseVoiceError(`[quant] ${name}: expected ${expected}, got ${got}`);
  };
  if (weight.length !== n * k) fail(`${n} × ${k} numbers`, weight.length);
  for (let i = 0; i < weight.length; i++) {
    if (!(Math.abs(weight[i]) < Number.POSITIVE_INFINITY)) fail("finite numbers", `${weight[i]} at ${i}`);
  }
  if (statistics && statistics.k !== k) fail(`statistics of ${k} inputs`, statistics.k);
  if (!statistics && needsStatistics(scheme)) fail("calibration statistics for this scheme", "none");
  if (!shared && scheme.granularity === "model") fail("the grid of the whole model", "none");

  const importance = statistics && importanceOf(diagonalOf(statistics.hessian, k));
  const grid = fitGrid(weight, shape, scheme, importance, shared);
  let codes: Uint8Array;
  if (statistics && (scheme.compensate === "gptq" || scheme.table === "learned")) {
    const hessian = damped(statistics.hessian, k);
    codes = gptq(grid, weight, prepareCompensation(hessian, k));
    if (scheme.table === "learned") learn(grid, codes, weight, hessian, entryStore(scheme));
  } else {
    codes = roundToNearest(grid, weight);
  }
  return { dtype: "quantized", ...grid, codes: packCodes(codes, shape, bits), ...activationOf(scheme, statistics) };
}

/** The scale of activations, if they become int8. */
export function activationOf({ activation }: Scheme, sizes?: Sizes): Pick<QuantizedTensor, "activation"> {
  if (activation === "static" && sizes) {
    return { activation: Math.fround(percentileOf(sizes, STATIC_SHARE) / 127) };
  }
  return activation === undefined ? {} : { activation: activation as "dynamic" };
}

/** A linear weight, whatever it is, in one of the schemes that need no statistics. */
export function quantizeWeight(weight: Weight, preset: "int8" | "int4"): QuantizedTensor {
  const [n, k] = weight.shape;
  const f32 = weight.dtype === "quantized" ? dequantize(weight) : asF32(weight);
  return quantizeTensor(f32, [n, k], PRESETS[preset]);
}

/**
 * The mean square of each input by their mean, plus 1, from the diagonal of XᵀX: calibration sound is short, and an
 * input that it leaves at 0 may matter in other sound.
 */
export function importanceOf(diagonal: Float64Array): Float32Array {
  const trace = diagonal.reduce((sum, h) => sum + h, 0);
  return Float32Array.from(diagonal, (h) => (trace > 0 ? (h * diagonal.length) / trace : 0) + 1);
}
