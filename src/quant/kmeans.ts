/** More values than this are counted into so many bins; a centre is then off by at most 1/4096 of their range. */
export const BINS = 2048;

/**
 * 1-D k-means: the k centres, rising, with the least Σ hᵢ·min_c (xᵢ − c)².
 *
 * In one dimension clusters are intervals, so the optimum needs no seeds: dynamic programming over the sorted
 * values, or their histogram, best[m][j] = min_i best[m−1][i] + cost(i, j), where the best i rises with j (Wang & Song 2011,
 * "Ckmeans.1d.dp"; divide and conquer makes it O(k·B·log B)).
 *
 * @param weights hᵢ ≥ 0, 1 unless given
 * @returns k centres; with fewer than k different values some are equal
 */
export function kmeans(values: Float32Array, k: number, weights?: Float32Array): Float32Array {
  return centresOf(sumsOf(values, weights), k);
}

/** Σh, Σh·x and Σh·x² of each of the sorted values, or of bins of equal width. */
export interface BinSums {
  readonly mass: Float64Array;
  readonly first: Float64Array;
  readonly second: Float64Array;
}

/** What `kmeans` gives for values that were counted already. */
export function centresOf(sums: BinSums, k: number): Float32Array {
  const [mass, first, second] = [sums.mass, sums.first, sums.second].map(prefixSums);
  const bins = mass.length - 1;
  // Σh(x − mean)² of the bins i … j−1, from prefix sums.
  const cost = (i: number, j: number) => {
    const h = mass[j] - mass[i];
    const sum = first[j] - first[i];
    return h > 0 ? Math.max(second[j] - second[i] - (sum * sum) / h, 0) : 0;
  };
  let best = Float64Array.from({ length: bins + 1 }, (_, j) => cost(0, j));
  const starts: Int32Array[] = [new Int32Array(bins + 1)];
  for (let m = 1; m < k; m++) {
    const next = new Float64Array(bins + 1);
    const from = new Int32Array(bins + 1);
    const solve = (low: number, high: number, left: number, right: number) => {
      if (low > high) return;
      const j = (low + high) >>> 1;
      next[j] = Number.POSITIVE_INFINITY;
      for (let i = left; i <= Math.min(j, right); i++) {
        const total = best[i] + cost(i, j);
        if (total < next[j]) {
          next[j] = total;
          from[j] = i;
        }
      }
      solve(low, j - 1, left, from[j]);
      solve(j + 1, high, from[j], right);
    };
    solve(0, bins, 0, bins);
    best = next;
    starts.push(from);
  }
  const centres = new Float32Array(k);
  let end = bins;
  for (let m = k - 1; m >= 0; m--) {
    const start = starts[m][end];
    const h = mass[end] - mass[start];
    // A cluster without values stands where its neighbour does.
    centres[m] = h > 0 ? (first[end] - first[start]) / h : (centres[m + 1] ?? 0);
    end = start;
  }
  return centres.sort();
}

/** From the first up to each: [0, x₀, x₀ + x₁, …]. */
function prefixSums(values: Float64Array): Float64Array {
  const sums = new Float64Array(values.length + 1);
  for (let i = 0; i < values.length; i++) sums[i + 1] = sums[i] + values[i];
  return sums;
}

function sumsOf(values: Float32Array, weights: Float32Array | undefined): BinSums {
  const bins = Math.min(values.length, BINS);
  const bin = values.length > BINS ? binOf(values) : rankOf(values);
  const [mass, first, second] = [0, 1, 2].map(() => new Float64Array(bins));
  for (let i = 0; i < values.length; i++) {
    const x = values[i];
    const h = weights ? weights[i] : 1;
    const at = bin(i);
    mass[at] += h;
    first[at] += h * x;
    second[at] += h * x * x;
  }
  return { mass, first, second };
}

function binOf(values: Float32Array): (i: number) => number {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i]);
    high = Math.max(high, values[i]);
  }
  const perBin = high > low ? BINS / (high - low) : 0;
  return (i) => Math.min(BINS - 1, Math.floor((values[i] - low) * perBin));
}

function rankOf(values: Float32Array): (i: number) => number {
  const order = Uint16Array.from(values.keys()).sort((a, b) => values[a] - values[b]);
  const rank = new Uint16Array(values.length);
  order.forEach((i, position) => {
    rank[i] = position;
  });
  return (i) => rank[i];
}
