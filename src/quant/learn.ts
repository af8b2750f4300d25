import { addRows, solve } from "./cholesky.ts";
import { type Grid, levelsOf, nearest, scalesOfRow, storedF16 } from "./grid.ts";

/** Rounds of codes, scales and tables. */
export const ROUNDS = 2;
/** Rows that a table shared by all rows is fitted to: a few hundred say enough about 2^bits entries. */
const TABLE_ROWS = 256;

/** Every so many rows are looked at for a table shared by `n` rows. */
export const tableStride = (n: number): number => Math.max(1, Math.floor(n / TABLE_ROWS));

/**
 * Refines codes, group scales and tables so that the layer's output changes least on calibration sound: a descent on
 *
 *   E = tr((W − Ŵ)·H·(W − Ŵ)ᵀ)
 *
 * that takes in turn
 *   each code: the level nearest to ŵₖ + gₖ/Hₖₖ, the minimum of E along that weight; g = (w − ŵ)·H;
 *   each group's scale: s + (v·g)/(v·H·vᵀ), v the group's levels, rounded as it is stored;
 *   the tables: least squares in their 2^bits entries, rounded as they are stored.
 *
 * @param codes [N, K] to start from, GPTQ's for instance; changed in place, as are the grid's scales and tables
 * @param hessian H [K, K], positive definite
 * @param store how an entry of a table is stored
 */
export function learn(
  grid: Grid,
  codes: Uint8Array,
  weight: Float32Array,
  hessian: Float64Array,
  store: (entry: number) => number,
): void {
  const [n] = grid.shape;
  for (let round = 0; round < ROUNDS; round++) {
    for (let row = 0; row < n; row++) refineRow(grid, codes, weight, hessian, row);
    if (grid.tables) refineTables(grid, grid.tables, codes, weight, hessian, store);
  }
  for (let row = 0; row < n; row++) refineRow(grid, codes, weight, hessian, row);
}

/** tr((W − Ŵ)·H·(W − Ŵ)ᵀ): what rounding adds to the layer's output on calibration sound, squared and summed. */
export function outputError(
  approximation: Float32Array,
  weight: Float32Array,
  hessian: Float64Array,
  [n, k]: readonly [n: number, k: number],
): number {
  let sum = 0;
  for (let row = 0; row < n; row++) {
    const error = new Float64Array(k);
    for (let i = 0; i < k; i++) error[i] = weight[row * k + i] - approximation[row * k + i];
    const gradient = new Float64Array(k);
    addRows(gradient, hessian, k, error, 0, k);
    for (let i = 0; i < k; i++) sum += gradient[i] * error[i];
  }
  return sum;
}

/** One pass over the codes of a row, then one over its scales. */
function refineRow(grid: Grid, codes: Uint8Array, weight: Float32Array, hessian: Float64Array, row: number): void {
  const { shape, groupSize } = grid;
  const [n, k] = shape;
  const levels = levelsOf(grid);
  const scales = scalesOfRow(grid, row);
  const own = codes.subarray(row * k, (row + 1) * k);
  const error = new Float64Array(k);
  for (let i = 0; i < k; i++) {
    const group = Math.floor(i / groupSize);
    error[i] = weight[row * k + i] - levels(row, group)[own[i]] * scales[group];
  }
  const gradient = new Float64Array(k);
  addRows(gradient, hessian, k, error, 0, k);

  for (let i = 0; i < k; i++) {
    const group = Math.floor(i / groupSize);
    const table = levels(row, group);
    const now = table[own[i]] * scales[group];
    const code = nearest(table, (now + gradient[i] / hessian[i * k + i]) / scales[group]);
    if (code === own[i]) continue;
    own[i] = code;
    const step = table[code] * scales[group] - now;
    for (let j = 0, at = i * k; j < k; j++, at++) gradient[j] -= step * hessian[at];
  }

  if (grid.scales.length < n) return; // one for all rows
  const store = scales.length > 1 ? storedF16 : Math.fround;
  const values = new Float64Array(k);
  for (let group = 0; group < scales.length; group++) {
    const [start, end] = [group * groupSize, Math.min((group + 1) * groupSize, k)];
    const table = levels(row, group);
    for (let i = start; i < end; i++) values[i] = table[own[i]];
    const effect = new Float64Array(k);
    addRows(effect, hessian, k, values, start, end);
    let [slope, curvature] = [0, 0];
    for (let i = start; i < end; i++) {
      slope += values[i] * gradient[i];
      curvature += values[i] * effect[i];
    }
    if (curvature <= 0) continue;
    const scale = store(scales[group] + slope / curvature);
    const step = scale - scales[group];
    if (step * step * curvature >= 2 * step * slope) continue; // rounded, it is no better
    scales[group] = scale;
    for (let i = 0; i < k; i++) gradient[i] -= step * effect[i];
  }
}

/**
 * Least squares in the entries t of each table: with u_c[k] = s(k) where code(k) = c and else 0,
 * Σ_rows (u_c·H·u_c'ᵀ) t = Σ_rows u_c·H·wᵀ.
 */
function refineTables(
  grid: Grid,
  tables: Float32Array,
  codes: Uint8Array,
  weight: Float32Array,
  hessian: Float64Array,
  store: (entry: number) => number,
): void {
  const [n, k] = grid.shape;
  const size = 2 ** grid.bits;
  const shared = tables.length === size;
  const step = shared ? tableStride(n) : 1;
  const left = new Float64Array(size * size);
  const right = new Float64Array(size);
  for (let row = 0; row < n; row += step) {
    const own = codes.subarray(row * k, (row + 1) * k);
    const scales = scalesOfRow(grid, row);
    const products = new Float64Array(size * k); // u_c·H
    for (let i = 0; i < k; i++) {
      const scale = scales[Math.floor(i / grid.groupSize)];
      for (let j = 0, to = own[i] * k, at = i * k; j < k; j++) products[to + j] += scale * hessian[at + j];
    }
    for (let c = 0; c < size; c++) {
      for (let j = 0; j < k; j++) {
        const product = products[c * k + j];
        left[c * size + own[j]] += product * scales[Math.floor(j / grid.groupSize)];
        right[c] += product * weight[row * k + j];
      }
    }
    if (shared) continue;
    rename(own, solveTable(left, right, tables.subarray(row * size, (row + 1) * size), store));
    left.fill(0);
    right.fill(0);
  }
  if (shared) rename(codes, solveTable(left, right, tables, store));
}

/**
 * Puts the least-squares entries t of left·t = right into the table, rising. `left` is overwritten.
 *
 * @returns the place that each entry has now
 */
export function solveTable(
  left: Float64Array,
  right: Float64Array,
  table: Float32Array,
  store: (entry: number) => number,
): Uint8Array {
  const size = table.length;
  const rank = Uint8Array.from(table.keys());
  let trace = 0;
  for (let c = 0; c < size; c++) trace += left[c * size + c];
  if (trace <= 0) return rank;
  // An entry that no weight uses stays where it is.
  const hold = (1e-9 * trace) / size;
  for (let c = 0; c < size; c++) {
    left[c * size + c] += hold;
    right[c] += hold * table[c];
  }
  const entries = solve(left, right, size);
  const order = Array.from(entries.keys()).sort((a, b) => entries[a] - entries[b]);
  order.forEach((from, to) => {
    rank[from] = to;
    table[to] = store(entries[from]);
  });
  return rank;
}

function rename(codes: Uint8Array, rank: Uint8Array): void {
  for (let i = 0; i < codes.length; i++) codes[i] = rank[codes[i]];
}
