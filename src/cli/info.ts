import { type Command, Option } from "commander";
import { createCommand } from "./command.ts";
import { version } from "./version.ts";

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
  const { defaultModel } = await import("./defaultModel.ts");
  const { home, listModels } = await import("../weights/home.ts");
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
    /** With a problem a model cannot be used. */
    models: (await listModels()).map(({ dir, config, problem }) => {
      return { name: config?.name ?? null, weights: config?.weights ?? null, dir, problem: problem ?? null };
    }),
  };
}

async function describeAdapter() {
  const { adapterName, isSoftware, requestAdapter } = await import("../kernels/webgpu/adapter.ts");
  const adapter = await requestAdapter();
  if (!adapter) return null;
  const gpu: GPU = (await import("webgpu")).create([]);
  return {
    name: adapterName(adapter),
    /** `auto` takes no other. */
    hardware: !isSoftware(adapter),
    features: [...adapter.features].sort(),
    /** packed_4x8_integer_dot_product is the one that int8 products want. */
    wgslFeatures: [...gpu.wgslLanguageFeatures].sort(),
  };
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
        ]
      : []),
    ["auto", info.auto],
    ["home", info.home],
    ["default", info.defaultModel],
    ...info.models.map(({ name, weights, dir, problem }) => {
      return ["model", `${dir}: ${problem ?? `${name}, ${weights}`}`];
    }),
  ];
  return rows.map(([key, value]) => `${key.padEnd(12)}${value}`).join("\n");
}
