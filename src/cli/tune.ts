import { type Command, Option } from "commander";
import { SenseVoiceError } from "../error.ts";
import type { Tuning } from "../kernels/webgpu/tuner/tuning.ts";
import { WEIGHT_TYPES, type WeightType } from "../options.ts";
import { defaultModel } from "../weights/home.ts";
import { tuningFiles } from "../weights/tuningFile.ts";
import { createCommand } from "./command.ts";
import { printNote } from "./messages.ts";

/** Seconds: who asks for it has more time than who wants a text. */
const LIMIT_SECONDS = 60;

interface TuneOptions {
  readonly model?: string;
  readonly weights?: WeightType;
}

/** `tune`: times the GPU's kernels for a model. */
export function tuneCommand(): Command {
  return createCommand("tune")
    .description("time the GPU's kernels for a model anew, and show which are the fastest")
    .option("--model <model>", "tiny, small or a model folder (default: small if downloaded, else tiny)")
    .addOption(new Option("--weights <type>", "how to keep the weights on the device").choices(WEIGHT_TYPES))
    .action(async (options: TuneOptions) => {
      console.log(await tune(options));
    });
}

/** Times kernels and writes down which were the fastest. @throws SenseVoiceError if there is no GPU in hardware */
export async function tune({ model = defaultModel(), weights }: TuneOptions): Promise<string> {
  const { adapterName, isSoftware, requestAdapter } = await import("../kernels/webgpu/adapter.ts");
  const adapter = await requestAdapter();
  if (!adapter || isSoftware(adapter)) {
    const got = adapter ? `${adapterName(adapter)}, which is software: its kernels are chosen by rule` : "none";
    throw new SenseVoiceError(`[tune] expected a GPU (with a Vulkan, Metal or D3D12 driver), got ${got}`);
  }
  const { createEngine } = await import("../node.ts");
  const engine = await createEngine({ model, weights, device: "webgpu", tune: "force", tuneSeconds: LIMIT_SECONDS });
  await engine.close();
  const tuning = await readTuningOf(engine.deviceDescription);
  if (!tuning)
    throw new SenseVoiceError(`[tune] ${tuningFiles().dir}: expected what was written there, got another file`);
  printNote(`timed by ${tuning.clock} on ${tuning.adapter}; kept in ${tuningFiles().dir}`);
  return tuningTable(tuning);
}

async function readTuningOf(adapter: string): Promise<Tuning | undefined> {
  const { tuningName } = await import("../tuning.ts");
  const { readTuning } = await import("../kernels/webgpu/tuner/tuning.ts");
  const store = tuningFiles();
  return readTuning(await store.read(tuningName(adapter)), adapter, store.version);
}

/** What is known of a kind of layer at each number of rows: the fastest kernel, then the others. */
async function fastestOf({ times }: Tuning) {
  const { foundIn } = await import("../kernels/webgpu/tuner/linear.ts");
  const { TUNED_ROWS } = await import("../kernels/webgpu/tuner/times.ts");
  return Array.from(times, ([kind, found]) => {
    const shape = kind
      .slice(kind.lastIndexOf(" ") + 1)
      .split("x")
      .map(Number);
    const fastest = TUNED_ROWS.map((rows) => ({ rows, kernels: foundIn(found, shape)?.fastest(rows) ?? [] }));
    return { kind, shape, fastest: fastest.filter(({ kernels }) => kernels.length > 0) };
  });
}

/** A line for each kind of layer and number of rows. */
async function tuningTable(tuning: Tuning): Promise<string> {
  const { table } = await import("../kernels/webgpu/table.ts");
  const cells = [["layer", "kernel", "next best", "rows", "µs", "GFLOP/s", "next µs"]];
  for (const { kind, shape, fastest } of await fastestOf(tuning)) {
    for (const { rows, kernels } of fastest) {
      const [[kernel, us], next] = kernels;
      const gflops = (2 * rows * shape[0] * shape[1]) / us / 1000;
      const numbers = [String(rows), us.toFixed(1), gflops.toFixed(0), next?.[1].toFixed(1) ?? ""];
      cells.push([kind, kernel, next?.[0] ?? "", ...numbers]);
    }
    if (fastest.length === 0) cells.push([kind, "by rule: there was no time to try"]);
  }
  return table(cells, 3);
}

/** The fastest kernels of linear layers on an adapter; null if none was timed there. */
export async function readKernels(adapter: string) {
  const tuning = await readTuningOf(adapter);
  if (!tuning) return null;
  const entries = (await fastestOf(tuning)).map(({ kind, fastest }) => {
    return [kind, fastest.map(({ rows, kernels: [[kernel]] }) => ({ rows, kernel }))] as const;
  });
  return { date: tuning.date, clock: tuning.clock, fastest: Object.fromEntries(entries) };
}
