/**
 * What the host does for a clip on a GPU, by kind of weights: features, recording, submitting, reading back, decoding.
 * Where the GPU takes no time (under a driver that runs nothing) that is all there is.
 *
 *     npx tsx bench/host.ts --model DIR [--weights f16,f32,int8,int4] [--seconds 11] [--runs 40] [--json FILE]
 *
 * DIR is a full-size model; scripts/random-weights.ts makes one of random numbers. Milliseconds: of the first run after
 * loading, then of each phase the median and the least of the others (10 of them not counted), the least for where other
 * programs use the processor too. What is made on the device is counted in the first and in the third run.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { SenseVoice } from "../src/model/sensevoice/network.ts";
import { createEngine } from "../src/node.ts";
import type { WeightType } from "../src/options.ts";
import { randomizer } from "../test/support/random.ts";

/** V8 compiles in them. */
const WARM_UP = 10;

const { values: options } = parseArgs({
  options: {
    model: { type: "string" },
    weights: { type: "string", default: "f16,f32,int8,int4" },
    seconds: { type: "string", default: "11" },
    runs: { type: "string", default: "40" },
    json: { type: "string" },
  },
});

interface Phases {
  readonly features: number;
  /** From the encoder's start to the last submit, less `submit`. */
  readonly record: number;
  /** Writing buffers, finishing and submitting command buffers. */
  readonly submit: number;
  /** From the last submit until the numbers are there. */
  readonly read: number;
  readonly decode: number;
  readonly total: number;
}

/** What a run did on the device, by the methods of WebGPU's own classes. */
const COUNTED = {
  dispatches: ["GPUComputePassEncoder", "dispatchWorkgroups"],
  submits: ["GPUQueue", "submit"],
  buffers: ["GPUDevice", "createBuffer"],
  bindGroups: ["GPUDevice", "createBindGroup"],
  pipelines: ["GPUDevice", "createComputePipeline"],
  pipelinesAsync: ["GPUDevice", "createComputePipelineAsync"],
} as const;
type Counts = Record<keyof typeof COUNTED, number>;

type Prototypes = Record<string, { readonly prototype: Record<string, (...args: unknown[]) => unknown> }>;
const classes: Prototypes = await webgpuClasses();
let submitMs = 0;
let lastSubmit = 0;
for (const [name, method] of [
  ["GPUQueue", "submit"],
  ["GPUQueue", "writeBuffer"],
  ["GPUCommandEncoder", "finish"],
] as const) {
  const { prototype } = classes[name];
  const original = prototype[method];
  prototype[method] = function (...args) {
    const start = performance.now();
    const result = original.apply(this, args);
    lastSubmit = performance.now();
    submitMs += lastSubmit - start;
    return result;
  };
}

let recognitionStart = 0;
let recognitionEnd = 0;
const { recognize } = SenseVoice.prototype;
SenseVoice.prototype.recognize = async function (...args) {
  recognitionStart = performance.now();
  const recognition = await recognize.apply(this, args);
  recognitionEnd = performance.now();
  return recognition;
};

const pcm = randomizer(1)([Number(options.seconds) * 16000], 0.1).data as Float32Array;
const results = [];
for (const weights of options.weights.split(",") as WeightType[]) results.push(await measure(weights));
const report = {
  node: process.version,
  cpu: cpus()[0].model,
  date: new Date().toISOString().slice(0, 10),
  seconds: Number(options.seconds),
  results,
};
console.table(
  Object.fromEntries(
    results.flatMap(({ weights, first, warm, least, inFirst, inThird }) => [
      [`${weights}, first run`, { ...rounded(first), ...inFirst }],
      [`${weights}, median`, { ...rounded(warm), ...inThird }],
      [`${weights}, least`, { ...rounded(least), ...inThird }],
    ]),
  ),
);
console.log(JSON.stringify(report));
if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 1)}\n`);

async function measure(weights: WeightType) {
  const start = performance.now();
  const engine = await createEngine({ tune: "off", model: options.model, device: "webgpu", weights });
  const loadMs = performance.now() - start;
  const run = async (): Promise<Phases> => {
    submitMs = 0;
    const { timings } = await engine.run(pcm);
    const { features, decode, total } = timings;
    const record = lastSubmit - recognitionStart - submitMs;
    return { features, record, submit: submitMs, read: recognitionEnd - lastSubmit, decode, total };
  };
  const [first, inFirst] = await counted(run);
  await run();
  const [, inThird] = await counted(run);
  const runs: Phases[] = [];
  for (let i = 0; i < WARM_UP + Number(options.runs); i++) runs.push(await run());
  /** Each phase's own quantile. */
  const quantile = (q: number) => {
    const of = (phase: keyof Phases) => {
      const sorted = runs.slice(WARM_UP).map((phases) => phases[phase]);
      return sorted.sort((a, b) => a - b)[Math.floor(q * sorted.length)];
    };
    return Object.fromEntries((Object.keys(first) as (keyof Phases)[]).map((phase) => [phase, of(phase)]));
  };
  const [warm, least] = [quantile(0.5), quantile(0)] as unknown as Phases[];
  const adapter = engine.deviceDescription;
  await engine.close();
  return { weights, adapter, loadMs, first, warm, least, inFirst, inThird };
}

/** Runs with a counter on each method of COUNTED. */
async function counted(run: () => Promise<Phases>): Promise<[Phases, Counts]> {
  const counts = Object.fromEntries(Object.keys(COUNTED).map((what) => [what, 0])) as Counts;
  const restore: (() => void)[] = [];
  for (const [what, [name, method]] of Object.entries(COUNTED) as [keyof Counts, readonly [string, string]][]) {
    const { prototype } = classes[name];
    const original = prototype[method];
    prototype[method] = function (...args) {
      counts[what]++;
      return original.apply(this, args);
    };
    restore.push(() => {
      prototype[method] = original;
    });
  }
  const phases = await run();
  for (const undo of restore) undo();
  return [phases, counts];
}

async function webgpuClasses(): Promise<Prototypes> {
  return (await import("webgpu")).globals as unknown as Prototypes;
}

function rounded(phases: Phases): Record<string, number> {
  return Object.fromEntries(Object.entries(phases).map(([phase, ms]) => [phase, Math.round(ms * 100) / 100]));
}
