import type { Backend, CtcHead, Segments, Tensor } from "../../tensor/backend.ts";
import { uploadSegments } from "../../tensor/backend.ts";
import type { EncoderConfig } from "./config.ts";
import { embed, type Query } from "./prompt.ts";
import type { ModelWeights } from "./weights.ts";

/** The encoder's answer for a batch: one row for each query and 60 ms of each clip. */
export interface Encoded {
  /** f32 [R, D]; release it when done. */
  readonly x: Tensor;
  readonly segments: Segments;
}

/** Called with the name and the output of each part, in FunASR's names; the tensor is gone when the call returns. */
export type Tap = (name: string, output: Tensor) => void;

/**
 * SenseVoiceSmall: SANM encoder (Gao et al. 2020, "SAN-M: Memory Equipped Self-Attention for End-to-End Speech
 * Recognition") and CTC head, after funasr/models/sense_voice/model.py. Shapes: R rows in all, D = outputSize.
 */
export class SenseVoice {
  readonly backend: Backend;
  readonly config: EncoderConfig;
  readonly #weights: ModelWeights;

  constructor(backend: Backend, config: EncoderConfig, weights: ModelWeights) {
    this.backend = backend;
    this.config = config;
    this.#weights = weights;
  }

  get head(): CtcHead {
    return this.#weights.head;
  }

  /** Queries and features → the rows that the CTC head reads. */
  encode(queries: readonly Query[], tap?: Tap): Encoded {
    const { backend, config } = this;
    const { embedTable, stacks } = this.#weights;
    const { rows, lengths } = embed(queries, embedTable, config.inputSize, config.outputSize);
    const segments = uploadSegments(backend, lengths);
    const x = backend.scope(() => {
      let x = backend.upload(rows);
      // Each layer's output takes the place of its input, unless somebody looks at them all.
      const replace = (name: string, next: Tensor) => {
        if (!tap) backend.release(x);
        x = next;
        tap?.(name, x);
      };
      tap?.("encoder.embed", x);
      for (const { layers, norm } of stacks) {
        for (const { name, norm1, qkv, fsmn, out, norm2, w1, w2 } of layers) {
          const output = backend.scope(() => {
            // [q | k | v] [R, 3D]; then attention beside the FSMN memory of v; then the feed-forward.
            const projected = backend.linear(x, qkv.weight, { norm: norm1, bias: qkv.bias });
            // The first layer widens 560 to D, so it has no residual around attention.
            const residual = x.shape[1] === config.outputSize ? x : undefined;
            const memory = backend.fsmn(projected, fsmn, segments, residual);
            const attended = backend.attention(projected, config.attentionHeads, segments);
            const mid = backend.linear(attended, out.weight, { bias: out.bias, residual: memory });
            const hidden = backend.linear(mid, w1.weight, { norm: norm2, bias: w1.bias, relu: true });
            return backend.linear(hidden, w2.weight, { bias: w2.bias, residual: mid });
          });
          replace(name, output);
        }
        replace(norm.name, backend.layerNorm(x, norm));
      }
      return x;
    });
    return { x, segments };
  }
}
