import { readBeside } from "./platform.ts";

/** A build of assembly/ and what it computes with, for people. */
export interface KernelModule {
  readonly module: WebAssembly.Module;
  readonly instructions: string;
}

/**
 * The faster of the two builds that this runtime can run: relaxed SIMD with its fused multiply-add if it passes a
 * test (its results are the hardware's own), else plain SIMD.
 */
export async function loadKernels(): Promise<KernelModule> {
  const relaxed = await readBeside("kernels-relaxed.wasm");
  if (WebAssembly.validate(relaxed)) {
    const module = await WebAssembly.compile(relaxed);
    if (multiplies(module)) return { module, instructions: "relaxed SIMD" };
  }
  const plain = await readBeside("kernels.wasm");
  return { module: await WebAssembly.compile(plain), instructions: "SIMD" };
}

/** Whether a small product comes out right: x [7, 4] · w [9, 4]ᵀ, all small integers. */
function multiplies(module: WebAssembly.Module): boolean {
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as Record<
    "packRows" | "packWeight" | "linear" | "barrier",
    (...args: number[]) => void
  >;
  const numbers = new Float32Array(memory.buffer);
  const [rows, n, k] = [7, 9, 4];
  const [x, panels, packed, y, scratch, weight] = [65536, 66048, 67072, 68096, 69120, 70144];
  const element = { x: (r: number, i: number) => r - 2 * i, w: (c: number, i: number) => c * i - 5 };
  for (let r = 0; r < rows; r++) for (let i = 0; i < k; i++) numbers[x / 4 + r * k + i] = element.x(r, i);
  for (let c = 0; c < n; c++) for (let i = 0; i < k; i++) numbers[panels / 4 + c * k + i] = element.w(c, i);
  new Uint32Array(memory.buffer).set([0, panels, k], weight / 4); // assembly/weight.ts
  kernels.packWeight(panels, 0, n, k, scratch);
  kernels.barrier();
  kernels.packRows(x, 0, 0, 0, packed, rows, k, scratch);
  kernels.barrier();
  kernels.linear(packed, weight, 0, 0, 0, y, rows, n, scratch, 0);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < n; c++) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += element.x(r, i) * element.w(c, i);
      if (numbers[y / 4 + r * n + c] !== sum) return false;
    }
  }
  return true;
}
