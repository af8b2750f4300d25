import { SenseVoiceError } from "../error.ts";
import type { LinearWeight, Tensor } from "./backend.ts";

/** Throws `[where] name: …` if the tensor's memory was given back. */
export function expectLive(where: string, name: string, tensor: Tensor): void {
  if (!tensor.released) return;
  const { dtype, shape } = tensor;
  throw new SenseVoiceError(
    `[${where}] ${name}: expected a tensor in use, got ${dtype} [${shape.join(", ")}], which was released`,
  );
}

/** The tensors of a device that somebody owns: every backend's `scope` and `release`. */
export class Arena<T extends Tensor> {
  readonly #free: (tensor: T) => void;
  /** What was made in each scope, the innermost last. */
  readonly #scopes: T[][] = [];

  /** @param free gives a tensor's memory back */
  constructor(free: (tensor: T) => void) {
    this.#free = free;
  }

  /** Makes the innermost scope the tensor's owner. */
  own(tensor: T): T {
    if (this.#scopes.length > 0) this.#scopes[this.#scopes.length - 1].push(tensor);
    return tensor;
  }

  /** See Backend.scope. */
  scope(record: () => T): T {
    const made: T[] = [];
    this.#scopes.push(made);
    let kept: T | undefined;
    try {
      kept = record();
      return kept;
    } finally {
      this.#scopes.pop();
      for (const tensor of made) {
        if (tensor === kept) this.own(tensor);
        else if (!tensor.released) this.#release(tensor);
      }
    }
  }

  /** See Backend.release. */
  release(item: T | LinearWeight<T>): void {
    if (!("tensors" in item)) this.#release(item);
    else for (const tensor of item.tensors) this.#release(tensor);
  }

  #release(tensor: T): void {
    expectLive("release", "tensor", tensor);
    tensor.released = true;
    this.#free(tensor);
  }
}
