/**
 * Checks and times every kernel at the full-size model's shapes, and the whole model with random weights, on one device:
 * `npm run bench -- [--device cpu|webgpu] [--threads N] [--seconds S] [--skip-model]`. Writes
 * bench/results/kernels-ADAPTER.json. A result that is not the reference's is an error, not a time. On a CPU each figure
 * comes with its share of the measured peak: what one core does in bench/peak, times the threads. `npm run bench -- linear …`
 * runs one kernel of the linear layers, `npm run bench -- attention …` one of attention, `npm run bench -- gpu` all that a GPU
 * can do, `npm run bench -- features` what the caller's thread does, `npm run bench -- speaker` the speaker network: see the
 * files of these names in bench/.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { Bench } from "tinybench";
import { randomFeatures, randomModelConfig, randomModelTensors } from "../scripts/random-weights.ts";
import { referenceBackend } from "../src/kernels/reference/backend.ts";
import { createWasmBackend } from "../src/kernels/wasm/backend.ts";
import { openGpu } from "../src/kernels/webgpu/adapter.ts";
import { webgpuBackend } from "../src/kernels/webgpu/backend.ts";
import { converterTo } from "../src/loadEngine.ts";
import { SenseVoice } from "../src/model/sensevoice/network.ts";
import type { Recognizer } from "../src/model/sensevoice/recognizer.ts";
import { loadWeights } from "../src/model/sensevoice/weights.ts";
import { quantizeTensor } from "../src/quant/quantize.ts";
import { PRESETS, type Scheme } from "../src/quant/scheme.ts";
import { type Backend, type LinearWeight, type Tensor, uploadBatch } from "../src/tensor/backend.ts";
import { f32ToF16 } from "../src/tensor/f16.ts";
import type { HostTensor } from "../src/tensor/host.ts";
import type { QuantizedTensor, Weight } from "../src/tensor/quantized.ts";
import { type Runner, runnerOf } from "../test/support/backend.ts";
import { randomizer } from "../test/support/random.ts";
import { relativeError, TOLERANCE } from "../test/support/tolerances.ts";
import { benchAttention } from "./attention.ts";
import { benchFeatures } from "./features.ts";
import { benchGpu } from "./gpu.ts";
import { benchLinear } from "./linear.ts";
import { benchSpeaker } from "./speaker.ts";

const USAGE = `usage: npm run bench -- [--device cpu|webgpu] [--threads N] [--seconds S] [--skip-model]
       npm run bench -- linear [--kernel NAME] [--shape T,K,N …] [--weights TYPE] [--seconds S] [--compile]
       npm run bench -- attention [--kernel NAME] [--shape T,heads,width …] [--compile]
       npm run bench -- gpu [--weights TYPE …] [--minutes M] [--quick] [--output FILE]
       npm run bench -- features [--tokenizer FILE]
       npm run bench -- speaker [--device cpu|webgpu] [--threads N] [--chunks N] [--seconds S] [--compile]`;
const PARTS: Readonly<Record<string, (args: string[]) => Promise<void>>> = {
  linear: benchLinear,
  attention: benchAttention,
  gpu: benchGpu,
  features: benchFeatures,
  speaker: benchSpeaker,
};
const [part = "", ...partArgs] = process.argv.slice(2);

if (process.argv.includes("--help")) {
  console.log(USAGE);
  process.exit();
}
if (Object.hasOwn(PARTS, part)) {
  await PARTS[part](partArgs).catch((error: Error) => {
    console.error(`error: ${error.message}`);
    process.exitCode = 1;
  });
  process.exit();
}

const { values: options } = readOptions();

/** An 11 s clip: 183 rows of features and 4 of queries. */
const ROWS = 187;
const CLIP_SECONDS = 11;
const D = 512;
const VOCAB = 25055;
/** Rows that are compared with the reference, which is slow. */
const CHECKED_ROWS = 5;
/** Runs that are recorded and computed together, so that a round trip to the device is not what is timed. */
const TOGETHER = 4;

/** What is multiplied; int7 is int8 with weights of at most 7 bits, whose products may be faster ones. */
type Arithmetic = "f32" | "int8" | "int7";

interface Result {
  readonly kernel: string;
  readonly ms: number;
  readonly gflops: number;
  readonly gigabytesPerSecond: number;
  /** Of the device's peak, on a CPU. */
  readonly share?: number;
}

const random = randomizer(1);
const reference = runnerOf(referenceBackend());
const backend = await openBackend();
const description = backend.use((b) => b.description);
const peak = options.device === "cpu" ? await (await import("./peak/measure.ts")).measurePeak() : undefined;
console.log(`${description}; Node ${process.version}, ${cpus()[0].model}`);
if (peak)
  console.log(
    `peak of a core: ${peak.f32.toFixed(1)} GFLOP/s f32, ${peak.int8.toFixed(1)} GOP/s int8 (${peak.int8Products})`,
  );
const results: Result[] = [];

for (const [n, k] of [
  [3 * D, D],
  [D, D],
  [4 * D, D],
  [D, 4 * D],
]) {
  const [x, bias, floats] = [random([ROWS, k]), random([n]), random([n, k], 0.1)];
  for (const [name, weight, bits] of weightsOf(floats, n, k)) {
    const run: Prepare = (b, rows) => {
      const [input, w, options] = [b.upload(firstRows(x, rows)), b.uploadLinear(weight), { bias: b.upload(bias) }];
      return () => b.linear(input, w, options);
    };
    const bytes = (n * k * bits) / 8 + ROWS * (n + k) * 4;
    const arithmetic = weight.dtype !== "quantized" || !weight.activation ? "f32" : weight.bits === 8 ? "int8" : "int7";
    await time(`linear ${name} ${k} → ${n}`, 2 * ROWS * n * k, bytes, run, arithmetic);
  }
}

const [qkv, taps, x, vector] = [random([ROWS, 3 * D]), random([D, 11]), random([ROWS, D]), random([D])];
const [vocabulary, vocabularyBias] = [random([VOCAB, D], 0.1), random([VOCAB])];
for (const [name, weight, bytes] of [
  ["f32", vocabulary, 4],
  ["int8", quantizeTensor(vocabulary.data as Float32Array, [VOCAB, D], PRESETS.int8), 1],
] as const) {
  const run: Prepare = (b, rows) => {
    const head = { weight: b.uploadLinear(weight), bias: b.upload(vocabularyBias) };
    const input = b.upload(firstRows(x, rows));
    return () => b.ctcTopK(input, head, 1);
  };
  const arithmetic = name === "int8" ? "int8" : "f32";
  await time(`CTC head ${name}`, 2 * ROWS * VOCAB * D, VOCAB * D * bytes, run, arithmetic);
}
await time("SANM", 4 * ROWS * ROWS * D + 2 * ROWS * D * 11, ROWS * D * 20, (b) => {
  const [input, weights, batch] = [b.upload(qkv), b.upload(taps), uploadBatch(b, [ROWS])];
  return () => {
    const { attended, memory } = b.sanm(input, weights, 4, batch);
    b.release(memory);
    return attended;
  };
});
await time("layer norm", 8 * ROWS * D, ROWS * D * 8, (b, rows) => {
  const norm = { gamma: b.upload(vector), beta: b.upload(vector) };
  const input = b.upload(firstRows(x, rows));
  return () => b.layerNorm(input, norm);
});

const models: { weights: string; loadMs: number; ms: number; rtf: number }[] = [];
if (!options["skip-model"]) for (const type of ["f32", "f16", "int8", "int4"] as const) await timeModel(type);
backend.close();

const adapter = description.replace(/[^\w.]+/g, "-").replace(/^-|-$/g, "");
const report = {
  adapter: description,
  device: options.device,
  node: process.version,
  cpu: cpus()[0].model,
  peak,
  date: new Date().toISOString().slice(0, 10),
  rows: ROWS,
  kernels: results,
  models,
};
const file = new URL(`results/kernels-${adapter}-node${process.versions.node.split(".")[0]}.json`, import.meta.url);
writeFileSync(file, `${JSON.stringify(report, null, 1)}\n`);

function readOptions() {
  const options = {
    device: { type: "string", default: "cpu" },
    threads: { type: "string" },
    seconds: { type: "string", default: "0.5" },
    "skip-model": { type: "boolean", default: false },
  } as const;
  try {
    return parseArgs({ options });
  } catch (error) {
    console.error(`error: ${(error as Error).message}\n${USAGE}`);
    return process.exit(1);
  }
}

async function openBackend(): Promise<Runner> {
  if (options.device === "cpu") {
    const threads = options.threads === undefined ? undefined : Number(options.threads);
    return runnerOf(await createWasmBackend({ threads }));
  }
  const gpu = await openGpu();
  if (gpu) return runnerOf(webgpuBackend(gpu));
  console.error("error: no WebGPU adapter");
  process.exit(1);
}

/** The weight in every form, with the bits of one. */
function weightsOf(floats: HostTensor, n: number, k: number): [name: string, weight: Weight, bits: number][] {
  const values = floats.data as Float32Array;
  const half: HostTensor = { dtype: "f16", shape: [n, k], data: f32ToF16(values) };
  const quantized = (scheme: Scheme): QuantizedTensor => quantizeTensor(values, [n, k], scheme);
  const int7: Scheme = { ...PRESETS.int8, bits: 7 };
  return [
    ["f32", floats, 32],
    ["f16", half, 16],
    ["int8 weights", quantized({ ...PRESETS.int8, activation: undefined }), 8],
    ["int4 weights", quantized({ ...PRESETS.int4, activation: undefined }), 4.5],
    ["int8", quantized(PRESETS.int8), 8],
    ["int7", quantized(int7), 7],
    ["int4", quantized(PRESETS.int4), 4.5],
    ["kmeans4", quantized(PRESETS.kmeans4), 4.5],
    ["kmeans3", quantized({ ...PRESETS.kmeans4, bits: 3 }), 3.5],
  ];
}

function firstRows(x: HostTensor, rows: number): HostTensor {
  return {
    dtype: "f32",
    shape: [rows, x.shape[1]],
    data: (x.data as Float32Array).subarray(0, rows * x.shape[1]),
  };
}

/** Uploads what a kernel needs, for so many rows, and gives back what runs it. */
type Prepare = <T extends Tensor, W extends LinearWeight<T>>(backend: Backend<T, W>, rows: number) => () => T;

/** Compares a few rows with the reference, then times all of them. */
async function time(
  kernel: string,
  flop: number,
  bytes: number,
  prepare: Prepare,
  arithmetic: Arithmetic = "f32",
): Promise<void> {
  const [got, expected] = await Promise.all(
    [backend, reference].map(({ run }) => run((b) => prepare(b, CHECKED_ROWS)())),
  );
  const error = relativeError(got, expected, 1);
  // A device whose division is not exact may turn a code of the row in int8.
  const tolerance = arithmetic !== "f32" ? TOLERANCE.int8Layer : TOLERANCE.kernel;
  if (!(error < tolerance)) throw new Error(`${kernel}: relative error ${error}`);
  const bench = new Bench({ time: Number(options.seconds) * 1000, warmupIterations: 1, iterations: 3 });
  backend.use((b) => {
    const run = prepare(b, ROWS);
    bench.add(kernel, async () => {
      for (let i = 0; i < TOGETHER; i++) b.release(run());
      await b.flush();
    });
  });
  await bench.run();
  const { result } = bench.tasks[0];
  if (result.state !== "completed") throw new Error(`${kernel}: ${result.state}`);
  const ms = result.latency.p50 / TOGETHER;
  const [gflops, gigabytesPerSecond] = [flop / ms / 1e6, bytes / ms / 1e6];
  const share = shareOfPeak(gflops, arithmetic);
  results.push({ kernel, ms, gflops, gigabytesPerSecond, share });
  const numbers = [
    `${ms.toFixed(2)} ms`,
    `${gflops.toFixed(1)} GFLOP/s`,
    `${gigabytesPerSecond.toFixed(2)} GB/s`,
    share === undefined ? "" : `${(100 * share).toFixed(0)} % of peak`,
  ];
  console.log(`${kernel.padEnd(30)}${numbers.map((text) => text.padStart(16)).join("")}`);
}

function shareOfPeak(gflops: number, arithmetic: Arithmetic): number | undefined {
  const threads = Number(/(\d+) thread/.exec(description)?.[1]);
  return peak && gflops / (peak[arithmetic] * threads);
}

/** The encoder and greedy CTC of the full-size architecture. */
async function timeModel(weights: "f32" | "f16" | "int8" | "int4"): Promise<void> {
  const device = await openBackend();
  const config = randomModelConfig("small");
  const convert = await converterTo(weights);
  const start = performance.now();
  const model = await device.use(async (b): Promise<Recognizer> => {
    const loaded = await loadWeights(b, config, randomModelTensors(config), convert);
    return new SenseVoice(b, config.encoder, loaded);
  });
  const loadMs = performance.now() - start;
  const rows = ROWS - 4;
  const features = { rows, data: randomFeatures(rows, config.encoder.inputSize).data };
  const times: number[] = [];
  for (let i = 0; i < 6; i++) {
    const begin = performance.now();
    (await model.recognize([{ language: "auto", itn: false, features }])).release();
    times.push(performance.now() - begin);
  }
  device.close();
  const ms = times.slice(1).sort((a, b) => a - b)[2]; // the first run builds pipelines
  models.push({ weights, loadMs, ms, rtf: ms / 1000 / CLIP_SECONDS });
  console.log(`whole model, ${weights}: ${ms.toFixed(0)} ms, RTF ${(ms / 1000 / CLIP_SECONDS).toFixed(4)}`);
}
