// A small network over any backend: two layers that compute XOR. npx tsx examples/own-model.ts
import {
  type Backend,
  createCpuBackend,
  type LinearWeight,
  referenceBackend,
  type Tensor,
} from "../src/tensorEntry.ts"; // from "sensevoice/tensor" in your own project

const f32 = (shape: number[], ...data: number[]) => {
  return { dtype: "f32", shape, data: Float32Array.from(data) } as const;
};

/** y = w₂ · relu(w₁·x + b₁) of inputs [rows, 4], of which the last two are 0. */
function xor<T extends Tensor, W extends LinearWeight<T>>(backend: Backend<T, W>) {
  const w1 = backend.uploadLinear(f32([4, 4], 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  const b1 = backend.upload(f32([4], 0, -1, 0, 0));
  const w2 = backend.uploadLinear(f32([1, 4], 1, -2, 0, 0));
  return (rows: number[][]) => {
    const x = backend.upload(f32([rows.length, 4], ...rows.flatMap((row) => [...row, 0, 0])));
    const y = backend.scope(() => backend.linear(backend.linear(x, w1, { bias: b1, relu: true }), w2));
    return backend.read(y);
  };
}

const inputs = [[0, 0], [0, 1], [1, 0], [1, 1]]; // biome-ignore format: a truth table
console.log(...(await xor(referenceBackend())(inputs))); // 0 1 1 0
const cpu = await createCpuBackend();
console.log(...(await xor(cpu)(inputs))); // 0 1 1 0
cpu.close();
