import { type Command, Option } from "commander";
import { createCommand } from "./command.ts";
import type { EvalOptions } from "./eval.ts";
import type { EvalSpeakersOptions } from "./evalSpeakers.ts";
import { addDiarizerOptions, addEngineOptions, amount, choice, count, path } from "./options.ts";

/** What is about who speaks, and means nothing without a reference. */
const ABOUT_SPEAKERS = {
  ...{ hypothesis: "--hypothesis", uem: "--uem", collar: "--collar" },
  ...{ speakerCount: "--speaker-count", speakerMode: "--speaker-mode", speakerModel: "--speaker-model" },
};

/** `eval DATA`: error rates, tags, speed and size on sounds whose text is known; `eval --rttm REF SOUNDS`: who speaks when. */
export function evalCommand(): Command {
  const command = createCommand("eval")
    .description("measure accuracy and speed on sounds whose text, or whose speakers, are known")
    .argument(
      "[data...]",
      "manifest.jsonl in SenseVoice's format, or a folder: LibriSpeech's or TIMIT's layout; with --rttm sounds",
    );
  return addDiarizerOptions(addEngineOptions(command), "with --rttm: how many speakers each sound has")
    .addOption(new Option("--ask-language", "ask for each clip's own language").conflicts("language"))
    .option("--limit <clips>", "stop after so many clips", count)
    .option("--no-normalise", "compare texts as they are, but for tags")
    .option("--baseline <file>", "earlier JSON of eval, or lines of key and tokens: count tokens that differ")
    .option("--rttm <file>", "who speaks when, as it should be: count errors in who speaks (DER and JER)", path)
    .option("--hypothesis <file>", "with --rttm: who speaks when, as RTTM, in place of sounds", path)
    .option("--uem <file>", "with --rttm: what of the recordings is scored (default: all there is speech in)", path)
    .option(
      "--collar <s>",
      "with --rttm: not scored beside the reference's boundaries (default: both 0 and 0.25)",
      amount,
    )
    .addOption(choice("--format <format>", "what to print; json has every clip", ["text", "json", "markdown"], "text"))
    .option("--output <file>", "write it there and print nothing", path)
    .action(async (data: string[], options: EvalOptions & EvalSpeakersOptions, self: Command) => {
      if (options.rttm !== undefined) return (await import("./evalSpeakers.ts")).evalSpeakers(data, options);
      for (const [name, flag] of Object.entries(ABOUT_SPEAKERS)) {
        const given = self.getOptionValue(name) !== undefined;
        if (given) self.error(`error: ${flag} is about who speaks: there is no --rttm`);
      }
      if (data.length === 0) self.error("error: missing required argument 'data', or --rttm");
      if (data.length > 1) self.error(`error: expected one data set, got ${data.length}`);
      await (await import("./eval.ts")).evalData(data[0], options);
    });
}
