import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { SenseVoiceError } from "../error.ts";
import {
  defaultModel,
  findModel,
  findSpeaker,
  findVad,
  home,
  modelPath,
  SPEAKER_ID,
  TINY,
  VAD_ID,
  version,
} from "../weights/home.ts";
import { createCommand } from "./command.ts";

/** `info`: what there is to compute on and with. */
export function infoCommand(): Command {
  return createCommand("info")
    .description("show versions, the GPU and the models found")
    .addOption(new Option("--format <format>", "text or json").choices(["text", "json"]).default("text"))
    .action(async ({ format }: { format: "text" | "json" }) => {
      const info = await collectInfo();
      console.log(format === "json" ? JSON.stringify(info) : infoText(info));
    });
}

type Info = Awaited<ReturnType<typeof collectInfo>>;

/** What `info` tells; with --format json as it stands. */
async function collectInfo() {
  const adapter = await describeAdapter();
  return {
    version: version(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    adapter,
    /** What `--device auto` takes. */
    auto: adapter?.hardware ? "webgpu" : "cpu",
    /** $SENSEVOICE_HOME, or what stands in for it. */
    home: home(),
    defaultModel: defaultModel(),
    models: await listModels(),
    /** The voice activity model that goes with the default model. */
    vad: findVad(findModel(defaultModel())) ?? null,
    /** The speaker model. */
    speaker: findSpeaker(findModel(defaultModel())) ?? null,
  };
}

/** The package's own recogniser and those that were downloaded; one with a problem cannot be used. Weights are not read. */
export async function listModels() {
  const { openModel } = await import("../model/sensevoice/modelFiles.ts");
  const { folderSource } = await import("../weights/folderSource.ts");
  const models = join(home(), "models");
  const names = (await readdir(models).catch(() => [])).filter((name) => !name.startsWith("."));
  const others = [VAD_ID, SPEAKER_ID].map(modelPath);
  const dirs = names.map((name) => join(models, name)).filter((dir) => !others.includes(dir));
  return Promise.all(
    [TINY, ...dirs].map(async (dir) => {
      try {
        const { name, weights } = (await openModel(folderSource(dir))).config;
        return { name, weights, dir, problem: null };
      } catch (error) {
        if (!(error instanceof SenseVoiceError)) throw error;
        return { name: null, weights: null, dir, problem: error.message };
      }
    }),
  );
}

async function describeAdapter() {
  const { adapterName, isSoftware, requestAdapter } = await import("../kernels/webgpu/adapter.ts");
  const adapter = await requestAdapter();
  if (!adapter) return null;
  const gpu: GPU = (await import("webgpu")).create([]);
  const { readKernels } = await import("./tune.ts");
  return {
    name: adapterName(adapter),
    /** `auto` takes no other. */
    hardware: !isSoftware(adapter),
    features: [...adapter.features].sort(),
    /** packed_4x8_integer_dot_product is the one that int8 products want. */
    wgslFeatures: [...gpu.wgslLanguageFeatures].sort(),
    /** Those of linear layers that were the fastest here, by the rows of x; null: chosen by rule. */
    kernels: isSoftware(adapter) ? null : await readKernels(adapterName(adapter)),
  };
}

type Adapter = Exclude<Info["adapter"], null>;

/** "linear f16 1536x512: tile 32x32 up to 54 rows, tile 64x64" */
function kernelRows(kernels: Adapter["kernels"]): string[][] {
  if (!kernels) return [["kernels", "chosen by rule"]];
  const { date, clock, fastest } = kernels;
  const lines = Object.entries(fastest).map(([kind, names]) => {
    const runs = names.filter(({ kernel }, i) => kernel !== names[i + 1]?.kernel);
    const texts = runs.map(({ kernel, rows }, i) => (i < runs.length - 1 ? `${kernel} up to ${rows} rows` : kernel));
    return ["", `${kind}: ${texts.join(", ") || "chosen by rule"}`];
  });
  return [["kernels", `timed on ${date} by ${clock}`], ...lines];
}

function infoText({ adapter, ...info }: Info): string {
  const kind = adapter?.hardware ? "hardware" : "software: only --device webgpu takes it";
  const rows = [
    ["sensevoice", info.version],
    ["node", `${info.node} ${info.platform}`],
    ["gpu", adapter ? `${adapter.name} (${kind})` : "none found"],
    ...(adapter
      ? [
          ["features", adapter.features.join(" ")],
          ["wgsl", adapter.wgslFeatures.join(" ")],
          ...kernelRows(adapter.kernels),
        ]
      : []),
    ["auto", info.auto],
    ["home", info.home],
    ["default", info.defaultModel],
    ...info.models.map(({ name, weights, dir, problem }) => {
      return ["model", `${dir}: ${problem ?? `${name}, ${weights}`}`];
    }),
    ["vad", info.vad ?? "none"],
    ["speakers", info.speaker ?? "none"],
  ];
  return rows.map(([key, value]) => `${key.padEnd(12)}${value}`).join("\n");
}
