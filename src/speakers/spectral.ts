import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { kMeans } from "./kmeans.ts";
import { dot, unit, type Vector } from "./vectors.ts";

const MOST_SPEAKERS = 15;

/** The eigenvalues, ascending, the number of speakers by their largest gap, and each row's label. */
export interface Spectrum {
  readonly eigenvalues: readonly number[];
  readonly speakers: number;
  readonly labels: readonly number[];
}

/**
 * Spectral clustering as in FunASR: the cosine affinity, pruned, as a graph; the eigenvectors of its Laplacian
 * L = diag(Σ|A|) − A of the k smallest eigenvalues; k-means of their rows. Without a number, k is where the next eigenvalue
 * is farthest away, 15 at most. Memory N², time N³. Source: `SpectralCluster` in funasr/models/campplus/cluster_backend.py.
 */
export function spectral(embeddings: readonly Vector[], speakers?: number, seed = 0): Spectrum {
  const laplacian = laplacianOf(prunedAffinity(embeddings));
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(laplacian, { assumeSymmetric: true });
  const gaps = realEigenvalues.slice(1, MOST_SPEAKERS + 1).map((value, i) => value - realEigenvalues[i]);
  const k = speakers ?? 1 + gaps.indexOf(Math.max(...gaps));
  const rows = embeddings.map((_, i) => Float64Array.from({ length: k }, (_, j) => eigenvectorMatrix.get(i, j)));
  return { eigenvalues: realEigenvalues, speakers: k, labels: kMeans(rows, k, { seed, starts: STARTS }) };
}

/** The reference has one start, so that its answer depends on chance where voices are hard to tell; the best of ten does less. */
const STARTS = 10;

/** Cosine similarities in f32, and in each row the smallest replaced by 0: all but 6, or 2.2 % of a row where that is more. */
export function prunedAffinity(embeddings: readonly Vector[]): Float32Array[] {
  const units = embeddings.map(unit);
  const n = units.length;
  const dropped = Math.trunc((1 - (n * 0.022 < 6 ? 6 / n : 0.022)) * n);
  return units.map((row) => {
    const similar = Float32Array.from(units, (other) => dot(row, other));
    const ascending = Array.from(similar.keys()).sort((a, b) => similar[a] - similar[b]);
    for (const i of ascending.slice(0, dropped)) similar[i] = 0;
    return similar;
  });
}

export function laplacianOf(affinity: readonly Float32Array[]): Matrix {
  const n = affinity.length;
  const laplacian = new Matrix(n, n);
  for (let i = 0; i < n; i++) {
    let degree = 0;
    for (let j = 0; j < n; j++) {
      if (j === i) continue;
      const weight = (affinity[i][j] + affinity[j][i]) / 2;
      degree += Math.abs(weight);
      laplacian.set(i, j, -weight);
    }
    laplacian.set(i, i, degree);
  }
  return laplacian;
}
