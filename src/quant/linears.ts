import type { ModelWeights } from "../model/sensevoice/weights.ts";
import type { Backend, LinearWeight } from "../tensor/backend.ts";

/** The linear layers of a model, by the name of their weight. */
export function linearWeights({ stacks, head }: ModelWeights): Map<string, LinearWeight> {
  const found = new Map<string, LinearWeight>();
  for (const { layers } of stacks) {
    for (const { name, qkv, out, w1, w2 } of layers) {
      found.set(`${name}.self_attn.linear_q_k_v.weight`, qkv.weight);
      found.set(`${name}.self_attn.linear_out.weight`, out.weight);
      found.set(`${name}.feed_forward.w_1.weight`, w1.weight);
      found.set(`${name}.feed_forward.w_2.weight`, w2.weight);
    }
  }
  return found.set("ctc.ctc_lo.weight", head.weight);
}

/** The backend with another `linear`. */
export function withLinear(backend: Backend, linear: Backend["linear"]): Backend {
  return new Proxy(backend, {
    get(target, key) {
      if (key === "linear") return linear;
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
