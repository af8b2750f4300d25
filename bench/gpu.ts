/**
 * All that a GPU can tell, in one call: `npm run bench -- gpu [--weights TYPE …] [--minutes M] [--quick] [--output FILE]`. First
 * the full-size model with random weights of each type, checked against the CPU: a clip of 10 s, 32 of them, each kernel's
 * part, kernels by rule and as the tuner chooses. Then every kernel of the linear layers at the model's shapes, checked against
 * the reference. The report (bench/results/gpu-ADAPTER.json) is written anew after each step, and what does not fit into the
 * time (7.5 minutes unless given) is left out. A result that is not right is told in the report, with its error, and makes the
 * exit status 1. `--quick` does a little of everything, for a GPU in software.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { randomFeatures, randomModelConfig, randomModelTensors } from "../scripts/random-weights.ts";
import { reasonOf } from "../src/error.ts";
import { createWasmBackend } from "../src/kernels/wasm/backend.ts";
import { openGpu } from "../src/kernels/webgpu/adapter.ts";
import { webgpuBackend } from "../src/kernels/webgpu/backend.ts";
import type { Gpu } from "../src/kernels/webgpu/gpu.ts";
import { Profile } from "../src/kernels/webgpu/profile.ts";
import { clockOf, Timestamps } from "../src/kernels/webgpu/timestamps.ts";
import { linearOperation } from "../src/kernels/webgpu/tuner/linear.ts";
import type { Times } from "../src/kernels/webgpu/tuner/times.ts";
import { converterTo } from "../src/loadEngine.ts";
import { SenseVoice } from "../src/model/sensevoice/network.ts";
import { linearParameters } from "../src/model/sensevoice/parameters.ts";
import { PROMPT_ROWS, type Prompt } from "../src/model/sensevoice/prompt.ts";
import type { Recognizer } from "../src/model/sensevoice/recognizer.ts";
import { loadWeights } from "../src/model/sensevoice/weights.ts";
import { checkChoice, WEIGHT_TYPES, type WeightType } from "../src/options.ts";
import type { Weight } from "../src/tensor/quantized.ts";
import { openTuner } from "../src/tuning.ts";
import { timeKernels } from "./gpuKernels.ts";

/** Rows of a clip of 10 s: those of the features, 60 ms each, and of the prompt. */
const CLIP_ROWS = 171;
const ROW_SECONDS = 0.06;
/** The least share of rows whose best token must be the CPU's: random weights make ties that trained ones do not. */
const SAME_TOKENS = 0.9;

interface Options {
  readonly types: readonly WeightType[];
  readonly quick: boolean;
  readonly minutes: number;
  readonly output?: string;
}

type Tensors = readonly (readonly [name: string, tensor: Weight])[];

export async function benchGpu(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      weights: { type: "string", multiple: true, default: ["f16", "int8", "int4", "f32"] },
      quick: { type: "boolean", default: false },
      minutes: { type: "string", default: "7.5" },
      output: { type: "string" },
    },
  });
  for (const type of values.weights) checkChoice("weights", type, WEIGHT_TYPES);
  const types = values.weights as WeightType[];
  await measureAll({ types, quick: values.quick, minutes: Number(values.minutes), output: values.output });
}

async function measureAll({ types, quick, minutes, output }: Options): Promise<void> {
  const end = performance.now() + minutes * 60_000;
  const leftMs = () => end - performance.now();
  const gpu = await openGpu();
  if (!gpu) throw new Error("no WebGPU adapter");
  const { name: adapter, traits } = gpu;
  const clock = clockOf(gpu);
  const report = {
    ...{ adapter, clock, traits, node: process.version, date: new Date().toISOString().slice(0, 10), quick },
    models: [] as object[],
    kernels: [] as object[],
    problems: [] as string[],
    leftOut: [] as string[],
  };
  const place = new URL(`results/gpu-${adapter.replace(/[^\w.]+/g, "-").replace(/^-|-$/g, "")}.json`, import.meta.url);
  const write = () => writeFileSync(output ?? place, `${JSON.stringify(report, null, 1)}\n`);
  /** Runs a step if there is time; what goes wrong is in the report. */
  const step = async (what: string, work: () => Promise<void>) => {
    if (leftMs() <= 0) report.leftOut.push(what);
    else {
      await work().catch((error: unknown) => {
        report.problems.push(`${what}: ${reasonOf(error)}`);
        console.error(`error: ${what}: ${reasonOf(error)}`);
      });
    }
    write();
  };
  gpu.close();
  console.log(`${adapter}, times by ${clock}; Node ${process.version}`);

  const config = randomModelConfig(quick ? "tiny" : "small");
  const floats: Tensors = [...randomModelTensors(config)];
  for (const type of types) {
    await step(`model ${type}`, async () => {
      const tensors = await converted(floats, type, config);
      const prompt = promptOf(quick ? 20 : CLIP_ROWS, config.encoder.inputSize);
      const expected = await onCpu(config, tensors, prompt);
      for (const tune of quick ? (["off"] as const) : (["force", "off"] as const)) {
        const measured = await timeModel({ config, tensors, prompt, expected, tune, quick });
        report.models.push({ weights: type, kernels: tune === "force" ? "tuned" : "by rule", ...measured });
        write();
      }
    });
  }
  await step("kernels", async () => {
    for await (const found of timeKernels({ types, quick, leftMs })) {
      if (typeof found === "string") report.leftOut.push(found);
      else {
        report.kernels.push(found);
        if (found.problem) report.problems.push(`${found.kernel}, ${found.weights}: ${found.problem}`);
      }
      if (report.kernels.length % 20 === 0) write();
    }
  });
  for (const problem of report.problems) console.error(`error: ${problem}`);
  if (report.problems.length > 0) process.exitCode = 1;
}

type Config = ReturnType<typeof randomModelConfig>;

async function converted(floats: Tensors, type: WeightType, config: Config): Promise<Tensors> {
  const linears = new Set(linearParameters(config).map(({ name }) => name));
  const convert = await converterTo(type);
  return floats.map(([name, tensor]) => [name, linears.has(name) ? convert(tensor) : tensor]);
}

function promptOf(rows: number, inputSize: number): Prompt {
  const { data } = randomFeatures(rows - PROMPT_ROWS, inputSize);
  return { language: "auto", itn: false, features: { rows: rows - PROMPT_ROWS, data } };
}

async function heardBy(model: Recognizer, prompts: readonly Prompt[]): Promise<Float32Array[]> {
  const { clips, release } = await model.recognize(prompts);
  release();
  return clips.map(({ ids }) => ids);
}

async function onCpu(config: Config, tensors: Tensors, prompt: Prompt): Promise<Float32Array> {
  const backend = await createWasmBackend();
  try {
    const weights = await loadWeights(
      backend,
      config,
      tensors.map(([name, tensor]) => [name, tensor]),
    );
    return (await heardBy(new SenseVoice(backend, config.encoder, weights), [prompt]))[0];
  } finally {
    backend.close();
  }
}

interface Case {
  readonly config: Config;
  readonly tensors: Tensors;
  readonly prompt: Prompt;
  /** The best tokens of the prompt's rows. */
  readonly expected: Float32Array;
  readonly tune: "off" | "force";
  readonly quick: boolean;
}

async function timeModel({ config, tensors, prompt, expected, tune, quick }: Case): Promise<object> {
  const gpu = (await openGpu()) as Gpu;
  try {
    const start = performance.now();
    const times = new Map<string, Times>();
    const kinds = new Set(linearParameters(config).map(({ shape }) => shape.join())).size;
    const tuner = await openTuner(gpu, times, { tune, kinds, limitMs: 2500 });
    const backend = webgpuBackend(gpu, { times });
    const weights = await loadWeights(
      backend,
      config,
      tensors.map(([name, tensor]) => [name, tensor]),
      async (weight) => {
        await tuner?.tune(linearOperation(gpu, weight));
        return weight;
      },
    );
    const model = new SenseVoice(backend, config.encoder, weights);
    await model.prepare();
    const loadMs = performance.now() - start;
    const begin = performance.now();
    const [ids] = await heardBy(model, [prompt]);
    const firstMs = performance.now() - begin;
    const same = ids.filter((id, row) => id === expected[row]).length / ids.length;
    const clips = quick ? 2 : 32;
    const seconds = prompt.features.rows * ROW_SECONDS;
    const runs = quick ? 1 : 5;
    const single = await timeRuns(gpu, runs, () => heardBy(model, [prompt]));
    const batch = await timeRuns(gpu, runs, () => heardBy(model, Array(clips).fill(prompt)));
    const profile = async (prompts: Prompt[]) => {
      const found = new Profile(gpu);
      await heardBy(model, prompts);
      await backend.flush();
      gpu.observer = undefined;
      return found.calls();
    };
    const measured = {
      ...{ loadMs, tuneMs: tuner?.spentMs, firstMs, memory: gpu.bytes, sameTokens: same },
      clip: { seconds, ...single, profile: await profile([prompt]) },
      batch: {
        ...{ clips, ...batch, timesRealTime: (clips * seconds * 1000) / batch.wallMs },
        profile: await profile(Array(clips).fill(prompt)),
      },
      tuning: Object.fromEntries(times),
    };
    const text = `${single.wallMs.toFixed(2)} ms a clip (GPU ${single.gpuMs?.toFixed(2) ?? "-"}), ${clips} clips ${batch.wallMs.toFixed(1)} ms`;
    console.log(
      `model ${tune === "force" ? "tuned" : "by rule"}: ${text}, ${(100 * same).toFixed(1)} % of the CPU's tokens`,
    );
    if (!(same >= SAME_TOKENS)) throw new Error(`expected the CPU's tokens, got ${(100 * same).toFixed(1)} % of them`);
    return measured;
  } finally {
    gpu.close();
  }
}

/** Medians of `least` runs or more, within a second or so: milliseconds from the call to the result, and of those the GPU's. */
async function timeRuns(
  gpu: Gpu,
  least: number,
  run: () => Promise<unknown>,
): Promise<{ wallMs: number; gpuMs?: number; runs: number }> {
  const walls: number[] = [];
  for (
    const end = performance.now() + 200 * least;
    walls.length < least || (performance.now() < end && walls.length < 200);
  ) {
    const start = performance.now();
    await run();
    walls.push(performance.now() - start);
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1];
  if (clockOf(gpu) !== "timestamps") return { wallMs: median(walls), runs: walls.length };
  const timestamps = new Timestamps(gpu.device, 1);
  const gpuMs: number[] = [];
  for (let i = 0; i < least; i++) {
    const parts: Promise<number[]>[] = [];
    let began = false;
    gpu.observer = {
      pass: () => {
        const first = !began;
        began = true;
        return first ? timestamps.pass(0) : undefined;
      },
      submit: (encoder) => {
        if (!began) return () => {};
        began = false;
        const read = timestamps.resolve(encoder, 1);
        return () => void parts.push(read());
      },
    };
    await run();
    gpu.observer = undefined;
    gpuMs.push((await Promise.all(parts)).reduce((sum, [us]) => sum + us / 1000, 0));
  }
  return { wallMs: median(walls), gpuMs: median(gpuMs), runs: walls.length };
}
