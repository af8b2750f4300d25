import { SenseVoiceError } from "../error.ts";
import type { LinearWeight, Tensor } from "./backend.ts";

const released = new WeakSet<Tensor>();

/** Throws `[where] name: …` if the tensor's memory was given back. */
export function expectLive(where: string, name: string, tensor: Tensor): void {
  if (!released.has(tensor)) return;
  const { dtype, shape } = tensor;
  throw new SenseVoiceError(
    `[${where}] ${name}: expected a tensor in use, got ${dtype} [${shape.join(", ")}], which was released`,
  );
}

/** The tensors of a device that somebody owns: every backend's `scope` and `release`. */
export class Arena<T extends Tensor> {
  readonly #free: (tensor: T) => void;
  readonly #scopes: Set<T>[] = [];

  /** @param free gives a tensor's memory back */
  constructor(free: (tensor: T) => void) {
    this.#free = free;
  }

  /** Makes the innermost scope the tensor's owner. */
  own(tensor: T): T {
    this.#scopes.at(-1)?.add(tensor);
    return tensor;
  }

  /** See Backend.scope. */
  scope(record: () => T): T {
    const made = new Set<T>();
    this.#scopes.push(made);
    let kept: T | undefined;
    try {
      kept = record();
      return kept;
    } finally {
      if (kept && made.delete(kept)) this.#scopes.at(-2)?.add(kept);
      for (const tensor of made) this.release(tensor);
      this.#scopes.pop();
    }
  }

  /** See Backend.release. */
  release(item: T | LinearWeight<T>): void {
    for (const tensor of "tensors" in item ? item.tensors : [item]) {
      expectLive("release", "tensor", tensor);
      released.add(tensor);
      for (const scope of this.#scopes) scope.delete(tensor);
      this.#free(tensor);
    }
  }
}
