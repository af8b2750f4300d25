import { addTo, type Vector } from "./vectors.ts";

const ROUNDS = 300;
const TOLERANCE = 1e-4;

/**
 * k-means as scikit-learn has it (`k_means`: k-means++ with 2 + ⌊ln k⌋ trials a centre, Lloyd, at most 300 rounds, until
 * labels stay or Σ shift² ≤ 1e-4 · the columns' mean variance; an empty cluster takes the row farthest from its centre), from
 * our own random numbers. Of several starts the one of least inertia counts.
 * @param rows N of equal width, N >= k
 */
export function kMeans(rows: readonly Vector[], k: number, { seed = 0, starts = 1 } = {}): number[] {
  const random = randomNumbers(seed);
  const means = meanOf(rows);
  const tolerance = (TOLERANCE * rows.reduce((sum, row) => sum + distance(row, means), 0)) / rows.length / means.length;
  let best = { labels: rows.map(() => 0), inertia: Number.POSITIVE_INFINITY };
  for (let start = 0; start < starts; start++) {
    const run = lloyd(rows, plusPlus(rows, k, random), tolerance);
    if (run.inertia < best.inertia) best = run;
  }
  return best.labels;
}

/** Centres to start from: each the best of some rows drawn with probability ∝ squared distance to the nearest so far. */
function plusPlus(rows: readonly Vector[], k: number, random: () => number): Float64Array[] {
  const centres = [Float64Array.from(rows[Math.floor(random() * rows.length)])];
  let nearest = rows.map((row) => distance(row, centres[0]));
  const trials = 2 + Math.floor(Math.log(k));
  while (centres.length < k) {
    const total = nearest.reduce((sum, value) => sum + value, 0);
    let best = { total: Number.POSITIVE_INFINITY, nearest, row: 0 };
    for (let trial = 0; trial < trials; trial++) {
      const row = draw(nearest, random() * total);
      const candidate = nearest.map((value, i) => Math.min(value, distance(rows[i], rows[row])));
      const sum = candidate.reduce((all, value) => all + value, 0);
      if (sum < best.total) best = { total: sum, nearest: candidate, row };
    }
    centres.push(Float64Array.from(rows[best.row]));
    nearest = best.nearest;
  }
  return centres;
}

/** The first place at which the sum of weights reaches a value. */
function draw(weights: readonly number[], value: number): number {
  let sum = 0;
  const at = weights.findIndex((weight) => {
    sum += weight;
    return sum >= value;
  });
  return at < 0 ? weights.length - 1 : at;
}

function lloyd(rows: readonly Vector[], start: readonly Float64Array[], tolerance: number) {
  let centres = start;
  let assigned = assign(rows, centres);
  for (let round = 0; round < ROUNDS; round++) {
    const moved = centresFrom(rows, assigned, centres.length);
    const shift = moved.reduce((sum, centre, i) => sum + distance(centre, centres[i]), 0);
    const next = assign(rows, moved);
    const settled = shift <= tolerance || next.labels.every((label, i) => label === assigned.labels[i]);
    centres = moved;
    assigned = next;
    if (settled) break;
  }
  return { labels: assigned.labels, inertia: assigned.distances.reduce((sum, value) => sum + value, 0) };
}

function assign(rows: readonly Vector[], centres: readonly Float64Array[]) {
  const distances: number[] = [];
  const labels = rows.map((row) => {
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (const [i, centre] of centres.entries()) {
      const far = distance(row, centre);
      if (far < least) {
        least = far;
        best = i;
      }
    }
    distances.push(least);
    return best;
  });
  return { labels, distances };
}

function centresFrom(
  rows: readonly Vector[],
  { labels, distances }: { readonly labels: number[]; readonly distances: readonly number[] },
  k: number,
): Float64Array[] {
  const members = Array.from({ length: k }, (_, label) => rows.filter((_, i) => labels[i] === label));
  const empty = members.flatMap((own, label) => (own.length === 0 ? [label] : []));
  const farthest = empty.length > 0 ? distances.map((_, i) => i).sort((a, b) => distances[b] - distances[a]) : [];
  for (const [i, label] of empty.entries()) {
    const row = farthest[i];
    members[labels[row]] = members[labels[row]].filter((own) => own !== rows[row]);
    members[label] = [rows[row]];
  }
  return members.map((own) => (own.length > 0 ? meanOf(own) : new Float64Array(rows[0].length)));
}

function meanOf(rows: readonly Vector[]): Float64Array {
  const mean = new Float64Array(rows[0].length);
  for (const row of rows) addTo(mean, row);
  return mean.map((value) => value / rows.length);
}

function distance(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum;
}

/** Numbers in [0, 1), the same for the same seed: mulberry32 by Tommy Ettinger (public domain). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
