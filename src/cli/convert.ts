import { type Command, Option } from "commander";
import { createCommand } from "./command.ts";

interface ConvertCommandOptions {
  readonly dtype: "f16" | "f32";
  readonly name?: string;
}

/** How a conversion keeps the matrices, for every command that converts. */
export function dtypeOption(): Option {
  return new Option("--dtype <type>", "element type of the matrices").choices(["f16", "f32"]).default("f16");
}

/** `convert SOURCE TARGET`: a FunASR folder in, a model folder out. Prints the new folder's path. */
export function convertCommand(name: string): Command {
  return createCommand(name)
    .description("convert a ModelScope/FunASR folder of SenseVoiceSmall into a model folder")
    .argument("<source>", "folder with model.pt, config.yaml, am.mvn and the SentencePiece model")
    .argument("<target>", "model folder to write; an older one is replaced")
    .addOption(dtypeOption())
    .option("--name <name>", "what the model calls itself (default: the source folder's name)")
    .action(async (source: string, target: string, options: ConvertCommandOptions) => {
      const { convertModel } = await import("../convert/convert.ts");
      const { withBar } = await import("./progress.ts");
      await withBar((onProgress) => convertModel(source, target, { ...options, onProgress }));
      console.log(target);
    });
}
