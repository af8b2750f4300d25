import type { Backend, LinearWeight, Tensor } from "../tensor/backend.ts";
import type { Differences } from "./refit.ts";
import { countSizes, createSizes, notFinite } from "./statistics.ts";

/**
 * Sums over the inputs x [rows, K] of a linear layer and over what its outputs lack, e = wanted − got [rows, N]: means,
 * Σ xᵀx and Σ eᵀx. The products are the backend's own linear layers; batches are summed in f64.
 */
export class Moments<T extends Tensor, W extends LinearWeight<T>> implements Differences {
  readonly shape: readonly [n: number, k: number];
  readonly sizes = createSizes();
  readonly #backend: Backend<T, W>;
  readonly #inputs: Float64Array;
  readonly #errors: Float64Array;
  readonly #squares: Float64Array;
  readonly #products: Float64Array;
  rows = 0;

  constructor(backend: Backend<T, W>, [n, k]: readonly number[]) {
    this.#backend = backend;
    this.shape = [n, k];
    this.#inputs = new Float64Array(k);
    this.#errors = new Float64Array(n);
    this.#squares = new Float64Array(k * k);
    this.#products = new Float64Array(n * k);
  }

  /** @throws SenseVoiceError on NaN or ∞ */
  async add(inputs: T, wanted: T, got: T): Promise<void> {
    const backend = this.#backend;
    const [n, k] = this.shape;
    const [rows] = inputs.shape;
    const [x, most, less] = await Promise.all([inputs, wanted, got].map(backend.read));
    const e = most.map((value, i) => value - less[i]);
    this.rows += rows;
    addColumns(this.#inputs, x);
    addColumns(this.#errors, e);
    countSizes(this.sizes, x);
    for (const sum of this.#errors) if (!Number.isFinite(sum)) throw notFinite(sum);
    const padded = Math.ceil(rows / 4) * 4; // linear layers want that
    const xT = transposed(x, rows, k, padded);
    const weight = backend.uploadLinear({ dtype: "f32", shape: [k, padded], data: xT });
    for (const [sums, data] of [
      [this.#squares, xT],
      [this.#products, transposed(e, rows, n, padded)],
    ] as const) {
      const factor = backend.upload({ dtype: "f32", shape: [data.length / padded, padded], data });
      const product = backend.linear(factor, weight);
      const values = await backend.read(product).finally(() => [factor, product].forEach(backend.release));
      for (let i = 0; i < values.length; i++) sums[i] += values[i];
    }
    backend.release(weight);
  }

  get means(): Differences["means"] {
    const mean = (sum: number) => sum / this.rows;
    return { inputs: this.#inputs.map(mean), errors: this.#errors.map(mean) };
  }

  get covariance(): Float64Array {
    const [, k] = this.shape;
    const mean = this.means.inputs;
    const sums = this.#squares.map((sum, at) => sum - this.rows * mean[Math.floor(at / k)] * mean[at % k]);
    for (let i = 0; i < k; i++) sums[i * k + i] = Math.max(0, sums[i * k + i]);
    return sums;
  }

  get crossCovariance(): Float64Array {
    const [, k] = this.shape;
    const { inputs, errors } = this.means;
    return this.#products.map((sum, at) => sum - this.rows * errors[Math.floor(at / k)] * inputs[at % k]);
  }
}

function addColumns(sums: Float64Array, values: Float32Array): void {
  for (let at = 0; at < values.length; ) for (let i = 0; i < sums.length; i++, at++) sums[i] += values[at];
}

/** [rows, columns] → [columns, padded], 0 where there is no row. */
function transposed(values: Float32Array, rows: number, columns: number, padded: number): Float32Array {
  const out = new Float32Array(columns * padded);
  for (let r = 0, at = 0; r < rows; r++) for (let c = 0; c < columns; c++, at++) out[c * padded + r] = values[at];
  return out;
}
