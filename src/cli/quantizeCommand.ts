import { type Command, Option } from "commander";
import { PRESETS } from "../quant/scheme.ts";
import { createCommand } from "./command.ts";
import type { QuantizeOptions } from "./quantize.ts";

/** `quantize MODEL --out DIR`: a model in few bits. */
export function quantizeCommand(): Command {
  return createCommand("quantize")
    .description("put the linear layers of a model into few bits")
    .argument("<model>", "tiny, small or a model folder, in f32 or f16")
    .requiredOption("--out <dir>", "model folder to write; an older one is replaced")
    .addOption(
      new Option("--scheme <scheme>", "how").choices([...Object.keys(PRESETS), "mixed"]).conflicts("policy"),
    )
    .option("--policy <file>", "JSON file that gives each layer its scheme")
    .option(
      "--budget <size>",
      "for --scheme mixed: stored bits a weight, such as 4.5, or a size, such as 120MB",
    )
    .option(
      "--calibrate <data>",
      "sound for schemes that need it: a manifest.jsonl, or a folder as eval reads",
    )
    .option("--limit <clips>", "take no more clips than this", Number)
    .option(
      "--save-policy <file>",
      "write the policy that was used as JSON, to be read, edited and given again",
    )
    .addHelpText(
      "after",
      `
Examples:
  $ sensevoice quantize small --scheme int8 --out small-int8
  $ sensevoice quantize small --scheme lut4 --calibrate sounds.jsonl --out small-lut4
  $ sensevoice quantize small --scheme mixed --budget 4.5 --calibrate sounds.jsonl --out small-4.5`,
    )
    .action(async (model: string, options: QuantizeOptions) => {
      const { quantize } = await import("./quantize.ts");
      await quantize(model, options);
    });
}
