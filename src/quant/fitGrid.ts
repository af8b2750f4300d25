import { f16ToF32 } from "../tensor/f16.ts";
import { nearestSteps, scalesOfSteps } from "../tensor/scaleSteps.ts";
import { entryStore, type Grid, nearestIn, storedF16, uniformLevels } from "./grid.ts";
import { kmeans } from "./kmeans.ts";
import type { Scheme } from "./scheme.ts";
import { additivePowersOfTwo, inWholeNumbers, NF4 } from "./tables.ts";
import { fitAffine, fitScale } from "./uniform.ts";

/** How often k-means and the scales are fitted to each other. */
export const KMEANS_ROUNDS = 3;

/** The one scale, and table if there is one, that all layers share with granularity "model". */
export interface SharedGrid {
  readonly scale: number;
  readonly table?: Float32Array;
}

/**
 * Scales, zero points and tables of a weight [N, K] for a scheme, rounded as they are stored. What a scheme learns
 * later ("learned") starts from k-means.
 *
 * @param importance [K] of each input for the tables of k-means, ≥ 0; 1 unless given. Scales are fitted without: with
 *   it, an input that is rare in the calibration sound gets values that do not suit it at all
 * @param shared with granularity "model"
 */
export function fitGrid(...[weight, shape, scheme, ...rest]: Parameters<typeof fitFreely>): Grid {
  const grid = fitFreely(weight, shape, scheme, ...rest);
  return { ...grid, scales: storedScales(grid.scales, shape[0], scheme) };
}

/** Scales as the scheme stores them, given as f16 has them. */
export function storedScales(scales: Float32Array, n: number, { scaleBits }: Scheme): Float32Array {
  return scaleBits && scales.length > n ? f16ToF32(scalesOfSteps(nearestSteps(scales, n))) : scales;
}

function fitFreely(
  weight: Float32Array,
  shape: readonly [n: number, k: number],
  scheme: Scheme,
  importance?: Float32Array,
  shared?: SharedGrid,
): Grid {
  const [n, k] = shape;
  const { bits, granularity, values } = scheme;
  const groupSize = scheme.groupSize ?? k;
  const grid = { shape, bits, groupSize };
  if (shared) return { ...grid, scales: Float32Array.of(shared.scale), tables: shared.table };
  if (values === "uniform") {
    if (scheme.symmetric === false) return { ...grid, ...fitAffineGroups(weight, grid, scheme) };
    return { ...grid, scales: fitScales(weight, grid, scheme, uniformLevels(bits)) };
  }
  const rule = ruleTable(scheme);
  if (rule) return { ...grid, scales: fitScales(weight, grid, scheme, rule), tables: rule };
  if (granularity === "channel" && !scheme.activation) {
    const tables = new Float32Array(n * 2 ** bits);
    for (let row = 0; row < n; row++) {
      const centres = kmeans(weight.subarray(row * k, (row + 1) * k), 2 ** bits, importance);
      tables.set(centres.map(storedF16), row * 2 ** bits);
    }
    return { ...grid, scales: Float32Array.of(1), tables };
  }
  // Scales that bring each group into the range of entries, and k-means of what that gives; "mse" then fits them to
  // each other.
  const mse = scheme.scale === "mse";
  let scales = fitScales(weight, grid, mse ? { ...scheme, scale: "max" } : scheme, startRange(scheme));
  let tables = kmeansOfScaled(weight, grid, scales, importance);
  for (let round = 1; mse && round < KMEANS_ROUNDS; round++) {
    scales = fitScales(weight, grid, scheme, tables);
    tables = kmeansOfScaled(weight, grid, scales, importance);
  }
  return { ...grid, scales, tables: tables.map(entryStore(scheme)) };
}

/** The scale and table for a whole model, from a sample of its weights. */
export function fitSharedGrid(sample: Float32Array, scheme: Scheme): SharedGrid {
  const { scales, tables } = fitGrid(sample, [1, sample.length], { ...scheme, granularity: "tensor" });
  return { scale: scales[0], table: tables };
}

/** The ends of the range that entries of a fitted table begin in. */
export function startRange({ activation }: Scheme): Float32Array {
  return activation ? Float32Array.of(-127, 127) : Float32Array.of(-1, 1);
}

/** The table that does not depend on the weights, as it is stored. */
export function ruleTable({ table, bits, activation }: Scheme): Float32Array | undefined {
  if (table === "kmeans" || table === "learned" || table === undefined) return undefined;
  const entries = table === "nf4" ? NF4 : table === "power-of-two" ? additivePowersOfTwo(bits) : table;
  if (activation) return Float32Array.from(inWholeNumbers(entries));
  return Float32Array.from(entries, (entry) => (entry === 0 ? 0 : storedF16(entry)));
}

type Size = Pick<Grid, "shape" | "bits" | "groupSize">;

function fitScales(
  weight: Float32Array,
  size: Size,
  { values, granularity, scale: method = "max" }: Scheme,
  levels: Float32Array,
): Float32Array {
  const [n, k] = size.shape;
  const round = values === "uniform" ? undefined : nearestIn(levels);
  if (granularity === "tensor") return Float32Array.of(fitScale(weight, levels, method, round));
  const groups = Math.ceil(k / size.groupSize);
  const store = groups > 1 ? storedF16 : Math.fround;
  const scales = new Float32Array(n * groups);
  forEachGroup(weight, size, (part, at) => {
    scales[at] = store(fitScale(part, levels, method, round));
  });
  return scales;
}

function fitAffineGroups(
  weight: Float32Array,
  size: Size,
  { bits, scale: method = "max" }: Scheme,
): Pick<Grid, "scales" | "zeros"> {
  const [n, k] = size.shape;
  const groups = Math.ceil(k / size.groupSize);
  const store = groups > 1 ? storedF16 : Math.fround;
  const scales = new Float32Array(n * groups);
  const zeros = new Uint8Array(n * groups);
  forEachGroup(weight, size, (part, at) => {
    const { scale, zero } = fitAffine(part, bits, method);
    scales[at] = store(scale);
    zeros[at] = zero;
  });
  return { scales, zeros };
}

function kmeansOfScaled(
  weight: Float32Array,
  size: Size,
  scales: Float32Array,
  importance?: Float32Array,
): Float32Array {
  const scaled = new Float32Array(weight.length);
  const weights = new Float32Array(weight.length);
  const [, k] = size.shape;
  let i = 0;
  forEachGroup(weight, size, (part, at) => {
    const scale = scales[scales.length === 1 ? 0 : at];
    for (const w of part) {
      scaled[i] = w / scale;
      weights[i] = scale * scale * (importance?.[i % k] ?? 1); // an error here is one of `scale` times that in w
      i++;
    }
  });
  return kmeans(scaled, 2 ** size.bits, weights);
}

/** Calls back with each group's weights and its index in [N, G]; in the order of the weights. */
function forEachGroup(
  weight: Float32Array,
  { shape: [n, k], groupSize }: Size,
  visit: (part: Float32Array, at: number) => void,
): void {
  const groups = Math.ceil(k / groupSize);
  for (let row = 0; row < n; row++) {
    for (let g = 0; g < groups; g++) {
      const end = row * k + Math.min((g + 1) * groupSize, k);
      visit(weight.subarray(row * k + g * groupSize, end), row * groups + g);
    }
  }
}
