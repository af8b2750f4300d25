import { fromF16Bits, toF16Bits } from "../tensor/f16.ts";
import { groupsOf, type QuantizedTensor } from "../tensor/quantized.ts";
import type { Scheme } from "./scheme.ts";

/** What a quantised weight can be, before its codes are chosen: scales, zero points and tables as they are stored. */
export type Grid = Omit<QuantizedTensor, "dtype" | "codes" | "activation" | "scales"> & {
  readonly scales: Float32Array;
};

/** The values of the codes of a uniform grid: c − zero. */
export function uniformLevels(bits: number, zero = 2 ** (bits - 1)): Float32Array {
  return Float32Array.from({ length: 2 ** bits }, (_, code) => code - zero);
}

/** The values of the codes in group g of row r, before scaling; rising. */
export function levelsOf(grid: Grid): (row: number, group: number) => Float32Array {
  const { bits, shape, zeros, tables } = grid;
  const size = 2 ** bits;
  const groups = groupsOf({ ...grid, dtype: "quantized", codes: new Uint32Array() });
  if (tables) {
    const count = tables.length / size;
    const all = Array.from({ length: count }, (_, t) => tables.subarray(t * size, (t + 1) * size));
    return (row, group) => all[count === 1 ? 0 : count === shape[0] ? row : row * groups + group];
  }
  if (!zeros) {
    const levels = uniformLevels(bits);
    return () => levels;
  }
  const all = Array.from({ length: size }, (_, zero) => uniformLevels(bits, zero));
  return (row, group) => all[zeros[row * groups + group]];
}

/** The scale of each group of row r: [G]. */
export function scalesOfRow(grid: Grid, row: number): Float32Array {
  const groups = Math.ceil(grid.shape[1] / grid.groupSize);
  if (grid.scales.length === 1) return new Float32Array(groups).fill(grid.scales[0]);
  return grid.scales.subarray(row * groups, (row + 1) * groups);
}

/** Index of the level nearest to x (the upper one of two equally near); levels rise. */
export function nearest(levels: Float32Array, x: number): number {
  let low = 0;
  let high = levels.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (x * 2 < levels[middle] + levels[middle + 1]) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Cells that the range of the levels is divided into. */
const CELLS = 512;

/**
 * The same as nearest(levels, ·), for many numbers: a table says where in the levels each cell of their range begins,
 * which leaves a step or two instead of a search.
 */
export function nearestIn(levels: Float32Array): (x: number) => number {
  const top = levels.length - 1;
  const borders = Float64Array.from({ length: top }, (_, i) => (levels[i] + levels[i + 1]) / 2);
  const perCell = CELLS / (levels[top] - levels[0] || 1);
  const starts = Uint8Array.from({ length: CELLS }, (_, cell) => nearest(levels, levels[0] + cell / perCell));
  const low = levels[0];
  return (x) => {
    const cell = (x - low) * perCell;
    if (!(cell > 0)) return 0;
    if (cell >= CELLS) return top;
    // One earlier, since the cell's own start may have been rounded.
    let code = Math.max(0, starts[cell | 0] - 1);
    while (code < top && x >= borders[code]) code++;
    return code;
  };
}

/** Rounds every weight to the nearest value of its grid: codes [N, K], one a byte. */
export function roundToNearest(grid: Grid, weight: Float32Array): Uint8Array {
  const [n, k] = grid.shape;
  const { bits, groupSize, tables, zeros } = grid;
  const codes = new Uint8Array(n * k);
  const levels = levelsOf(grid);
  const top = 2 ** bits - 1;
  for (let row = 0; row < n; row++) {
    const scales = scalesOfRow(grid, row);
    for (let group = 0, start = row * k; group < scales.length; group++, start += groupSize) {
      const end = Math.min(start + groupSize, (row + 1) * k);
      const inverse = 1 / scales[group];
      if (tables) {
        const table = levels(row, group);
        for (let i = start; i < end; i++) codes[i] = nearest(table, weight[i] * inverse);
      } else {
        // The same for levels c − zero, without the search. Scales are above 2^-25, so nothing overflows an int.
        const half = (zeros ? zeros[row * scales.length + group] : 2 ** (bits - 1)) + 0.5;
        for (let i = start; i < end; i++) {
          const code = weight[i] * inverse + half;
          codes[i] = code <= 0 ? 0 : Math.min(code, top);
        }
      }
    }
  }
  return codes;
}

/** x as f16 stores it; never 0, because weights are divided by scales. */
export function storedF16(x: number): number {
  return fromF16Bits(toF16Bits(x)) || 2 ** -24;
}

/** How an entry of a fitted table is stored: as a whole number from −127 to 127 with int8 activations, else in f16. */
export function entryStore({ activation }: Scheme): (x: number) => number {
  return activation ? (x) => Math.max(-127, Math.min(127, Math.round(x))) : storedF16;
}
