/**
 * One kernel of `linear`, checked and then timed: `npm run bench -- linear --kernel NAME --shape T,K,N`, with
 * `--weights f32|f16|int8|int4|…` (a preset of src/quant/scheme.ts, `int4 weights` without int8 rows), `--seconds S`. Without `--kernel` the one that
 * would be chosen. `--norm` puts a layer norm in front. Prints a line of JSON for each shape, with the adapter's name. `--compile`
 * only records it, for a tool that looks at what the driver makes of it.
 */
import { parseArgs } from "node:util";
import { referenceBackend } from "../src/kernels/reference/backend.ts";
import { openGpu } from "../src/kernels/webgpu/adapter.ts";
import { webgpuBackend } from "../src/kernels/webgpu/backend.ts";
import { kernelFor } from "../src/kernels/webgpu/linear/kernel.ts";
import { LINEAR_KERNELS } from "../src/kernels/webgpu/linear/kernels.ts";
import { quantizeTensor } from "../src/quant/quantize.ts";
import { PRESETS } from "../src/quant/scheme.ts";
import { f32ToF16 } from "../src/tensor/f16.ts";
import type { HostTensor } from "../src/tensor/host.ts";
import type { Weight } from "../src/tensor/quantized.ts";
import { type Computation, runnerOf } from "../test/support/backend.ts";
import { randomizer } from "../test/support/random.ts";
import { relativeError, TOLERANCE } from "../test/support/tolerances.ts";

/** Runs that are recorded together, so that a round trip to the device is not what is timed. */
const TOGETHER = 20;

export async function benchLinear(args: string[]): Promise<void> {
  const { values: options } = parseArgs({
    args,
    options: {
      kernel: { type: "string" },
      shape: { type: "string", multiple: true, default: ["187,512,1536"] },
      weights: { type: "string", default: "f16" },
      seconds: { type: "string", default: "0.5" },
      norm: { type: "boolean", default: false },
      compile: { type: "boolean", default: false },
    },
  });
  const gpu = await openGpu();
  if (!gpu) throw new Error("no WebGPU adapter");
  const names = LINEAR_KERNELS.map(({ name }) => name).join(", ");
  if (options.kernel && !LINEAR_KERNELS.some(({ name }) => name === options.kernel)) {
    throw new Error(`--kernel: expected one of ${names}, got ${options.kernel}`);
  }
  const backend = webgpuBackend(gpu, { linear: options.kernel });
  const reference = runnerOf(referenceBackend());
  for (const shape of options.shape) {
    const [rows, k, n] = shape.split(",").map(Number);
    const random = randomizer(1);
    const [x, bias, weight] = [random([rows, k]), random([n]), weightOf(options.weights, random([n, k], 0.1))];
    const [gamma, beta] = [random([k]), random([k])];
    const compute: Computation = (b) => {
      const norm = options.norm ? { gamma: b.upload(gamma), beta: b.upload(beta) } : undefined;
      return b.linear(b.upload(x), b.uploadLinear(weight), { bias: b.upload(bias), norm });
    };
    const name = kernelFor(backend.uploadLinear(weight), rows).name;
    if (options.compile) {
      compute(backend);
      await backend.flush();
      continue;
    }
    const [got, expected] = await Promise.all([runnerOf(backend), reference].map(({ run }) => run(compute)));
    const error = relativeError(got, expected, 1);
    const tolerance = toleranceOf(weight, /matrix/.test(name));
    if (!(error <= tolerance)) throw new Error(`${name}, ${shape}: relative error ${error}`);
    const [input, w, b] = [backend.upload(x), backend.uploadLinear(weight), backend.upload(bias)];
    const norm = options.norm ? { gamma: backend.upload(gamma), beta: backend.upload(beta) } : undefined;
    const times: number[] = [];
    for (const end = performance.now() + Number(options.seconds) * 1000; performance.now() < end || !times.length; ) {
      const start = performance.now();
      for (let i = 0; i < TOGETHER; i++) backend.release(backend.linear(input, w, { bias: b, norm }));
      await backend.flush();
      times.push((performance.now() - start) / TOGETHER);
    }
    const ms = times.sort((a, b) => a - b)[times.length >> 1];
    const bytes = w.tensors.reduce((sum, { pooled }) => sum + pooled.size, 0) + rows * (k + n) * 4;
    const figures = {
      ...{ adapter: gpu.name, kernel: name, weights: options.weights, rows, k, n, ms, error },
      gflops: (2 * rows * k * n) / ms / 1e6,
      gigabytesPerSecond: bytes / ms / 1e6,
    };
    console.log(JSON.stringify(figures));
  }
  backend.close();
}

/** How far a kernel's result may be from the reference's. */
export function toleranceOf(weight: Weight, matrix: boolean): number {
  if (weight.dtype === "quantized" && weight.activation !== undefined) return TOLERANCE.int8Layer;
  return matrix ? TOLERANCE.matrix : TOLERANCE.kernel;
}

export function weightOf(weights: string, f32: HostTensor): Weight {
  const data = f32.data as Float32Array;
  if (weights === "f32") return f32;
  if (weights === "f16") return { ...f32, dtype: "f16", data: f32ToF16(data) };
  const scheme = PRESETS[weights.replace(" weights", "") as keyof typeof PRESETS];
  if (!scheme)
    throw new Error(`--weights: expected f32, f16 or one of ${Object.keys(PRESETS).join(", ")}, got ${weights}`);
  const shape = [f32.shape[0], f32.shape[1]] as const;
  return quantizeTensor(data, shape, weights.endsWith(" weights") ? { ...scheme, activation: undefined } : scheme);
}
