import { SenseVoiceError } from "../error.ts";
import type { Backend, LinearWeight, Tensor } from "../tensor/backend.ts";
import type { HostTensor } from "../tensor/host.ts";
import type { Tensors } from "./sensevoice/weights.ts";

/** A small network's tensors on the host, and what is made of them on a device. */
export interface FloatTensors<T, W> {
  has(name: string): boolean;
  /** @throws SenseVoiceError if there is none of that name */
  get(name: string): HostTensor;
  /** Remembers what was made, for `release`. */
  own<X extends T | W>(item: X): X;
  /** Gives all that was made back. */
  release(): void;
}

/** Reads all of a model's tensors. Throws a SenseVoiceError if one of them is in few bits. */
export async function readFloatTensors<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  tensors: Tensors,
): Promise<FloatTensors<T, W>> {
  const host = new Map<string, HostTensor>();
  for await (const [name, tensor] of tensors) {
    if (tensor.dtype === "quantized") throw new SenseVoiceError(`[weights] ${name}: expected floats`);
    host.set(name, tensor);
  }
  const made: (T | W)[] = [];
  return {
    has: (name) => host.has(name),
    get(name) {
      const tensor = host.get(name);
      if (tensor) return tensor;
      throw new SenseVoiceError(`[weights] expected a tensor ${name}, found none: is the model folder complete?`);
    },
    own(item) {
      made.push(item);
      return item;
    },
    release: () => made.splice(0).forEach(backend.release),
  };
}
