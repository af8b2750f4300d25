import type { Backend, LinearWeight, Tensor } from "../../src/tensor/backend.ts";

/** Something to compute that any backend can. */
export type Computation = <T extends Tensor, W extends LinearWeight<T>>(backend: Backend<T, W>) => T;

/** Computes on a backend whose types are its own business. */
export interface Runner {
  readonly run: (compute: Computation) => Promise<Float32Array>;
  /** Calls back with the backend. */
  readonly use: <R>(call: <T extends Tensor, W extends LinearWeight<T>>(backend: Backend<T, W>) => R) => R;
  readonly close: () => void;
}

/** What `ctcTopK` gave: of each row k ids, then k log-probabilities and log Σ exp(logits). */
export function topOf(found: Float32Array, k: number): { ids: Float32Array; logProbs: Float32Array } {
  const isId = (_: number, i: number) => i % (2 * k + 1) < k;
  return { ids: found.filter(isId), logProbs: found.filter((v, i) => !isId(v, i)) };
}

export function runnerOf<T extends Tensor, W extends LinearWeight<T>>(backend: Backend<T, W>): Runner {
  return {
    run: (compute) => backend.read(compute(backend)),
    use: (call) => call(backend),
    close: backend.close,
  };
}
