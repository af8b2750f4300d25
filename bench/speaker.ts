/**
 * The speaker network with seeded weights, checked and then timed: `npm run bench -- speaker [--device cpu|webgpu]
 * [--threads N] [--chunks N] [--seconds S]`. `--compile` only records it, for a tool that looks at what the driver makes of it.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { readAudio } from "../src/audio/read.ts";
import { createWasmBackend } from "../src/kernels/wasm/backend.ts";
import { openGpu } from "../src/kernels/webgpu/adapter.ts";
import { webgpuBackend } from "../src/kernels/webgpu/backend.ts";
import type { Backend, LinearWeight, Tensor } from "../src/tensor/backend.ts";
import { evalPath, seededSpeaker } from "../test/support/campplus.ts";
import { TOLERANCE } from "../test/support/tolerances.ts";

/** Multiplications and additions of a chunk. */
const FLOP = 2 * 794e6;

interface Options {
  readonly chunks: number;
  readonly seconds: number;
  readonly compile: boolean;
}

export async function benchSpeaker(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      device: { type: "string", default: "cpu" },
      threads: { type: "string" },
      chunks: { type: "string", default: "16" },
      seconds: { type: "string", default: "3" },
      compile: { type: "boolean", default: false },
    },
  });
  const options = { chunks: Number(values.chunks), seconds: Number(values.seconds), compile: values.compile };
  if (values.device === "cpu") {
    const threads = values.threads === undefined ? undefined : Number(values.threads);
    return timeEmbedding(await createWasmBackend({ threads }), options);
  }
  const gpu = await openGpu();
  if (!gpu) throw new Error("no WebGPU adapter");
  return timeEmbedding(webgpuBackend(gpu), options);
}

async function timeEmbedding<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  { chunks, seconds, compile }: Options,
): Promise<void> {
  const model = await seededSpeaker(backend);
  const golden = readFileSync(new URL("../test/golden/spk/embeddings.jsonl", import.meta.url), "utf8");
  const { name, embedding } = JSON.parse(golden.split("\n")[0]) as { name: string; embedding: number[] };
  const chunk = (await readAudio(evalPath(name))).slice(0, 24_000);
  const all = Array.from({ length: chunks }, () => chunk);
  const [got] = await model.embed(all);
  if (compile) return;
  const error = Math.max(...embedding.map((v, i) => Math.abs(got[i] - v)));
  if (!(error <= TOLERANCE.embedding)) throw new Error(`embedding: off by ${error}`);
  const times: number[] = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end || !times.length; ) {
    const start = performance.now();
    await model.embed(all);
    times.push((performance.now() - start) / chunks);
  }
  const best = Math.min(...times);
  console.log(
    `${backend.description}: ${best.toFixed(2)} ms a chunk of 1.5 s, ${(FLOP / best / 1e6).toFixed(0)} GFLOP/s, off by ${error.toExponential(1)}`,
  );
  backend.close();
}
