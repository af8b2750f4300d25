import type { Backend, LinearWeight, Tensor } from "../../tensor/backend.ts";
import type { VadConfig } from "./config.ts";
import type { VadWeights } from "./weights.ts";

/** A loaded voice activity model on any device: what a recording needs of it. */
export interface VadModel {
  readonly config: VadConfig;
  readonly cmvn: VadWeights<unknown, unknown>["cmvn"];
  /** Begins a recording. */
  open(): VadStream;
  /** Gives the device's memory back. */
  release(): void;
}

/** The network's memory of one recording. */
export interface VadStream {
  /** The probability of silence of each of the next feature rows [R, inputSize]: [R], R ≥ 1. Await each call. */
  silence(features: Float32Array): Promise<Float32Array>;
  /** Gives the memory back. */
  close(): void;
}

/**
 * FSMN-VAD (Zhang et al. 2018, "Deep-FSMN for Large Vocabulary Continuous Speech Recognition"), after
 * funasr/models/fsmn_vad_streaming/encoder.py: two linear layers, blocks of a memory of the last rows between two
 * linear layers, two linear layers, softmax. A row depends on those before it alone.
 */
export class FsmnVad<T extends Tensor, W extends LinearWeight<T>> implements VadModel {
  readonly backend: Backend<T, W>;
  readonly config: VadConfig;
  readonly weights: VadWeights<T, W>;

  constructor(backend: Backend<T, W>, config: VadConfig, weights: VadWeights<T, W>) {
    this.backend = backend;
    this.config = config;
    this.weights = weights;
  }

  get cmvn(): VadWeights<T, W>["cmvn"] {
    return this.weights.cmvn;
  }

  open(): VadStream {
    const { backend } = this;
    const histories = this.weights.layers.map(({ taps: { shape } }) => {
      const data = new Float32Array((shape[1] - 1) * shape[0]);
      return backend.upload({ dtype: "f32", shape: [shape[1] - 1, shape[0]], data });
    });
    return {
      silence: (features) => this.#silence(features, histories),
      close: () => histories.splice(0).forEach(backend.release),
    };
  }

  /** Compiles all kernels that a recording needs. */
  async prepare(): Promise<void> {
    const stream = this.open();
    const features = new Float32Array(this.config.encoder.inputSize);
    await this.backend.prepare(async () => void (await stream.silence(features)));
    stream.close();
  }

  async #silence(features: Float32Array, histories: readonly T[]): Promise<Float32Array> {
    const { inputSize } = this.config.encoder;
    const rows = features.length / inputSize;
    const logProbs = this.backend.scope(() => this.#record(features, [rows, inputSize], histories));
    try {
      const values = await this.backend.read(logProbs);
      const classes = values.length / rows;
      const sum = (row: Float32Array) => row.reduce((total, value) => total + Math.exp(value), 0);
      return Float32Array.from({ length: rows }, (_, r) => sum(values.subarray(r * classes, (r + 1) * classes)));
    } finally {
      this.backend.release(logProbs);
    }
  }

  /** Features [R, inputSize] → ln softmax of the silent classes [R, classes]. */
  #record(data: Float32Array, shape: readonly [number, number], histories: readonly T[]): T {
    const { linear, causalFsmn, upload, ctcLogProbs } = this.backend;
    const { input, layers, output, head, silence } = this.weights;
    const first = linear(upload({ dtype: "f32", shape, data }), input[0].weight, { bias: input[0].bias });
    let x = linear(first, input[1].weight, { bias: input[1].bias, relu: true });
    layers.forEach(({ projection, taps, affine }, i) => {
      const memory = causalFsmn(linear(x, projection), taps, histories[i]);
      x = linear(memory, affine.weight, { bias: affine.bias, relu: true });
    });
    const last = linear(x, output.weight, { bias: output.bias });
    return ctcLogProbs(last, head, silence, 0, shape[0]);
  }

  release(): void {
    this.weights.release();
  }
}
