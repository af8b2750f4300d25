import { addTo, dot } from "./vectors.ts";

/** Some embeddings of length 1, by their sum: all that average linkage needs of them. */
export interface Group {
  readonly sum: Float64Array;
  readonly count: number;
}

/** Two nodes joined: 0 … n−1 are the groups given, n + i is the i-th merge. */
export interface Merge {
  readonly a: number;
  readonly b: number;
  /** The mean cosine between an embedding of one and one of the other. */
  readonly similarity: number;
}

/** The mean cosine between two groups: every one of a with every one of b. */
export function meanCosine(a: Group, b: Group): number {
  return dot(a.sum, b.sum) / (a.count * b.count);
}

export function union(a: Group, b: Group): Group {
  const sum = Float64Array.from(a.sum);
  addTo(sum, b.sum);
  return { sum, count: a.count + b.count };
}

/**
 * Agglomerative clustering by average linkage (UPGMA) on cosines, in order from the most alike. By the nearest-neighbour chain:
 * n² time and memory. Without chance: of pairs as alike the one found first counts.
 * Source: Müllner, Modern hierarchical, agglomerative clustering algorithms (2011), algorithm 3.
 */
export function averageLinkage(groups: readonly Group[]): Merge[] {
  const n = groups.length;
  const similar = Array.from({ length: n }, () => new Float64Array(n));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) similar[i][j] = similar[j][i] = meanCosine(groups[i], groups[j]);
  }
  const counts = groups.map(({ count }) => count);
  const left = new Set(groups.keys());
  const found: Merge[] = [];
  const chain: number[] = [];
  while (left.size > 1) {
    if (chain.length === 0) for (const first of left) if (chain.push(first)) break;
    const tip = chain[chain.length - 1];
    const before = chain.at(-2);
    let nearest = before ?? -1;
    for (const other of left) {
      if (other !== tip && (nearest < 0 || similar[tip][other] > similar[tip][nearest])) nearest = other;
    }
    if (nearest !== before) {
      chain.push(nearest);
      continue;
    }
    chain.length -= 2;
    found.push({ a: Math.min(tip, nearest), b: Math.max(tip, nearest), similarity: similar[tip][nearest] });
    const [kept, gone] = [Math.min(tip, nearest), Math.max(tip, nearest)];
    left.delete(gone);
    for (const other of left) {
      if (other === kept) continue;
      const sum = similar[kept][other] * counts[kept] + similar[gone][other] * counts[gone];
      similar[kept][other] = similar[other][kept] = sum / (counts[kept] + counts[gone]);
    }
    counts[kept] += counts[gone];
  }
  return inOrder(found, n);
}

/** The chain finds merges in another order: sorted, and each group named by its last merge. */
function inOrder(found: readonly Merge[], n: number): Merge[] {
  const parent = Array.from({ length: 2 * n }, (_, i) => i);
  const root = (node: number): number => {
    let at = node;
    while (parent[at] !== at) at = parent[at] = parent[parent[at]];
    return at;
  };
  return [...found]
    .sort((one, other) => other.similarity - one.similarity)
    .map(({ a, b, similarity }, i) => {
      const merge = { a: root(a), b: root(b), similarity };
      parent[merge.a] = parent[merge.b] = n + i;
      return merge;
    });
}
