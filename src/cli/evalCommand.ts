import { type Command, InvalidArgumentError, Option } from "commander";
import { WEIGHT_TYPES } from "../loadEngine.ts";
import { LANGUAGE_ROW } from "../model/sensevoice/prompt.ts";
import { createCommand } from "./command.ts";
import type { EvalOptions } from "./eval.ts";

/** `eval DATA`: error rates, tags, speed and size on sounds whose text is known. */
export function evalCommand(): Command {
  const choice = (flags: string, description: string, choices: readonly string[]) =>
    new Option(flags, description).choices(choices);
  return createCommand("eval")
    .description("measure accuracy and speed on sounds whose text is known")
    .argument("<data>", "manifest.jsonl in SenseVoice's format, or a folder: LibriSpeech's or TIMIT's layout")
    .option("--model <model>", "tiny, small or a model folder (default: small if downloaded, else tiny)")
    .addOption(
      choice("--device <device>", "where to compute", ["auto", "webgpu", "cpu", "reference"]).default("auto"),
    )
    .option("--threads <count>", "threads of the CPU (default: its cores)", Number)
    .addOption(choice("--weights <type>", "how to keep the weights on the device", WEIGHT_TYPES))
    .addOption(
      choice("--language <language>", "language to ask for", Object.keys(LANGUAGE_ROW)).default("auto"),
    )
    .addOption(new Option("--ask-language", "ask for each clip's own language").conflicts("language"))
    .option("--limit <clips>", "stop after so many clips", count)
    .option("--no-normalise", "compare texts as they are, but for tags")
    .option("--baseline <file>", "earlier JSON of eval, or lines of key and tokens: count tokens that differ")
    .addOption(
      choice("--format <format>", "what to print; json has every clip", ["text", "json", "markdown"]).default(
        "text",
      ),
    )
    .option("--output <file>", "write it there and print nothing")
    .action(async (data: string, options: EvalOptions) => {
      const { evalData } = await import("./eval.ts");
      await evalData(data, options);
    });
}

function count(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("expected a number from 1 on.");
}
