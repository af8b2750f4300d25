import { referenceBackend } from "../src/kernels/reference/backend.ts";
import { openGpu } from "../src/kernels/webgpu/adapter.ts";
import { webgpuBackend } from "../src/kernels/webgpu/backend.ts";
import { formOf } from "../src/kernels/webgpu/linear/kernel.ts";
import { LINEAR_KERNELS } from "../src/kernels/webgpu/linear/kernels.ts";
import { measureOn } from "../src/kernels/webgpu/timestamps.ts";
import { rowsToTime } from "../src/kernels/webgpu/tuner/linear.ts";
import type { WeightType } from "../src/options.ts";
import { type Computation, runnerOf } from "../test/support/backend.ts";
import { randomizer } from "../test/support/random.ts";
import { relativeError } from "../test/support/tolerances.ts";
import { toleranceOf, weightOf } from "./linear.ts";

/** Layers of the full-size model: [K, N]. */
const SHAPES: readonly [k: number, n: number][] = [
  [512, 1536],
  [512, 512],
  [512, 2048],
  [2048, 512],
  [512, 25055],
];
/** Rows that are compared with the reference, which is slow: a tile and a part of one. */
const CHECKED_ROWS = 33;
const REPEATS = 10;
const MEASUREMENTS = 5;

/** A kernel of the linear layers at one shape. */
interface Result {
  readonly kernel: string;
  readonly weights: string;
  readonly rows: number;
  readonly k: number;
  readonly n: number;
  readonly us: number;
  readonly gflops: number;
  readonly gigabytesPerSecond: number;
  /** From the reference, relative. */
  readonly error: number;
  /** Why the result is not right. */
  readonly problem?: string;
}

/** Every kernel of the linear layers, checked and timed; texts are what there was no time for. */
export async function* timeKernels({
  types,
  quick,
  leftMs,
}: {
  readonly types: readonly WeightType[];
  readonly quick: boolean;
  readonly leftMs: () => number;
}): AsyncGenerator<Result | string> {
  const gpu = await openGpu();
  if (!gpu) throw new Error("no WebGPU adapter");
  const measure = measureOn(gpu);
  const reference = runnerOf(referenceBackend());
  const forms = types.flatMap((type) => (type === "int8" || type === "int4" ? [type, `${type} weights`] : [type]));
  try {
    for (const weights of quick ? types : forms) {
      for (const [k, n] of quick ? [[64, 96]] : SHAPES) {
        const random = randomizer(1);
        const [floats, bias, x] = [random([n, k], 0.1), random([n]), random([CHECKED_ROWS, k])];
        const weight = weightOf(weights, floats);
        const compute: Computation = (b) => b.linear(b.upload(x), b.uploadLinear(weight), { bias: b.upload(bias) });
        const expected = await reference.run(compute);
        for (const { name, matrix, supports } of LINEAR_KERNELS) {
          if (!supports(gpu.traits, formOf(weight))) continue;
          const what = { kernel: name, weights, k, n };
          if (leftMs() <= 0) {
            yield `kernel ${name}, ${weights}, ${k} → ${n}`;
            continue;
          }
          const backend = webgpuBackend(gpu, { linear: name });
          const error = relativeError(await runnerOf(backend).run(compute), expected, 1);
          const tolerance = toleranceOf(weight, matrix !== undefined);
          const problem = error <= tolerance ? undefined : `expected an error of at most ${tolerance}, got ${error}`;
          const [w, b] = [backend.uploadLinear(weight), backend.upload(bias)];
          const weightBytes = w.tensors.reduce((sum, { pooled }) => sum + pooled.size, 0);
          for (const rows of quick ? [20] : rowsToTime([n, k])) {
            const input = backend.upload(randomizer(rows)([rows, k]));
            const run = () => backend.release(backend.linear(input, w, { bias: b }));
            await measure(run);
            let us = Number.POSITIVE_INFINITY;
            for (let i = 0; i < (quick ? 1 : MEASUREMENTS); i++) {
              const together = await measure(() => Array.from({ length: REPEATS }, run));
              us = Math.min(us, together / REPEATS);
            }
            const bytes = weightBytes + rows * (k + n) * 4;
            const speed = { gflops: (2 * rows * k * n) / us / 1000, gigabytesPerSecond: bytes / us / 1000 };
            yield { ...what, rows, us, ...speed, error, problem };
            backend.release(input);
          }
          for (const item of [w, b]) backend.release(item);
        }
        console.log(`kernels for ${weights}, ${k} → ${n}`);
      }
    }
  } finally {
    gpu.close();
  }
}
