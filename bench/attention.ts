/**
 * One kernel of `sanm`, checked and then timed: `npm run bench -- attention --kernel NAME --shape T,heads,width`, with
 * `--clips N` of T rows each and `--seconds S`. Without `--kernel` the one that would be chosen. `--compile` only records
 * it, for a tool that looks at what the driver makes of it.
 */
import { parseArgs } from "node:util";
import { referenceBackend } from "../src/kernels/reference/backend.ts";
import { openGpu } from "../src/kernels/webgpu/adapter.ts";
import { sanmKernelFor, sanmKernels } from "../src/kernels/webgpu/attention/kernels.ts";
import { webgpuBackend } from "../src/kernels/webgpu/backend.ts";
import { uploadBatch } from "../src/tensor/backend.ts";
import { type Computation, runnerOf } from "../test/support/backend.ts";
import { randomizer } from "../test/support/random.ts";
import { relativeError, TOLERANCE } from "../test/support/tolerances.ts";

const TAPS = 11;
/** Runs that are recorded together, so that a round trip to the device is not what is timed. */
const TOGETHER = 20;

export async function benchAttention(args: string[]): Promise<void> {
  const { values: options } = parseArgs({
    args,
    options: {
      kernel: { type: "string" },
      shape: { type: "string", multiple: true, default: ["187,4,128"] },
      clips: { type: "string", default: "1" },
      seconds: { type: "string", default: "0.5" },
      compile: { type: "boolean", default: false },
    },
  });
  const gpu = await openGpu();
  if (!gpu) throw new Error("no WebGPU adapter");
  const backend = webgpuBackend(gpu, { attention: options.kernel });
  const reference = runnerOf(referenceBackend());
  for (const shape of options.shape) {
    const [length, heads, width] = shape.split(",").map(Number);
    const lengths = new Array<number>(Number(options.clips)).fill(length);
    const [rows, d] = [length * lengths.length, heads * width];
    const random = randomizer(1);
    const [qkv, taps, residual] = [random([rows, 3 * d], 3), random([d, TAPS]), random([rows, d])];
    const { name, matrix } = sanmKernelFor(sanmKernels(gpu.traits, width, options.kernel), heads, lengths);
    const compute: Computation = (b) => {
      return b.sanm(b.upload(qkv), b.upload(taps), heads, uploadBatch(b, lengths), b.upload(residual)).attended;
    };
    if (options.compile) {
      compute(backend);
      await backend.flush();
      continue;
    }
    const [got, expected] = await Promise.all([runnerOf(backend), reference].map(({ run }) => run(compute)));
    const error = relativeError(got, expected, 1);
    if (!(error <= (matrix ? TOLERANCE.matrix : TOLERANCE.kernel))) {
      throw new Error(`${name}, ${shape}: relative error ${error}`);
    }
    const [input, weights, added] = [qkv, taps, residual].map(backend.upload);
    const batch = uploadBatch(backend, lengths);
    const times: number[] = [];
    for (const end = performance.now() + Number(options.seconds) * 1000; performance.now() < end || !times.length; ) {
      const start = performance.now();
      for (let i = 0; i < TOGETHER; i++) {
        Object.values(backend.sanm(input, weights, heads, batch, added)).forEach(backend.release);
      }
      await backend.flush();
      times.push((performance.now() - start) / TOGETHER);
    }
    const ms = times.sort((a, b) => a - b)[times.length >> 1];
    const flop = (4 * length * rows + 2 * rows * TAPS) * d;
    const figures = {
      ...{ adapter: gpu.name, kernel: name, clips: lengths.length, rows: length, heads, width, ms, error },
      gflops: flop / ms / 1e6,
      gigabytesPerSecond: (rows * d * 6 * 4) / ms / 1e6,
    };
    console.log(JSON.stringify(figures));
  }
  backend.close();
}
