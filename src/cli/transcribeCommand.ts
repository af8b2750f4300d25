import { type Command, Option } from "commander";
import { WEIGHT_TYPES } from "../loadEngine.ts";
import { LANGUAGE_ROW } from "../model/sensevoice/prompt.ts";
import { createCommand } from "./command.ts";
import type { TranscribeOptions } from "./transcribe.ts";

/** `transcribe FILE...`, the command there is when none is named. */
export function transcribeCommand(): Command {
  const choice = (flags: string, description: string, choices: readonly string[]) =>
    new Option(flags, description).choices(choices);
  return createCommand("transcribe")
    .description("write down what is said in sound files (the default command)")
    .argument("[files...]", "sound files: wav, mp3, flac, ogg, m4a, …; - reads standard input")
    .option("--model <model>", "tiny, small or a model folder (default: small if downloaded, else tiny)")
    .addOption(
      choice("--device <device>", "where to compute", ["auto", "webgpu", "cpu", "reference"]).default("auto"),
    )
    .addOption(choice("--weights <type>", "how to keep the weights on the device", WEIGHT_TYPES))
    .option("--threads <count>", "threads of the CPU (default: its cores)", Number)
    .addOption(choice("--language <language>", "language spoken", Object.keys(LANGUAGE_ROW)).default("auto"))
    .option("--itn", "write punctuation, capitals and figures")
    .option("--timestamps", "add when each word was said")
    .option("--ban-emo-unk", "always name an emotion, never EMO_UNKNOWN")
    .addOption(choice("--format <format>", "what to print", ["text", "json"]).default("text"))
    .option("--output <dir>", "write a file per input there, NAME.txt or NAME.json, and print nothing")
    .action(async (files: string[], options: TranscribeOptions, command: Command) => {
      if (files.length === 0) (command.parent ?? command).help({ error: true });
      const { transcribe } = await import("./transcribe.ts");
      await transcribe(files, options);
    });
}
