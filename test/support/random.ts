import { elementCount, type HostTensor } from "../../src/tensor/host.ts";

/** Seeded uniform numbers in [−scale, scale). */
export function randomizer(seed: number): (shape: number[], scale?: number) => HostTensor {
  let state = seed >>> 0;
  return (shape, scale = 1) => ({
    dtype: "f32",
    shape,
    data: Float32Array.from({ length: elementCount(shape) }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state / 2 ** 31 - 1) * scale;
    }),
  });
}
