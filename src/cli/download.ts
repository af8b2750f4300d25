import { type Command, Option } from "commander";
import { createCommand } from "./command.ts";
import { dtypeOption } from "./convert.ts";

interface DownloadCommandOptions {
  readonly from: "modelscope" | "huggingface";
  readonly dtype: "f16" | "f32";
}

/** `download ID`: fetches a model from a hub and converts it. Prints the model folder's path. */
export function downloadCommand(): Command {
  return createCommand("download")
    .description("fetch a FunASR model and convert it; goes on where an earlier download ended")
    .argument("<id>", "the model's name on the hub, iic/SenseVoiceSmall for one (about 0.9 GB)")
    .addOption(
      new Option("--from <hub>", "hub to fetch from")
        .choices(["modelscope", "huggingface"])
        .default("modelscope"),
    )
    .addOption(dtypeOption())
    .action(async (id: string, options: DownloadCommandOptions) => {
      const { downloadModel } = await import("../convert/download.ts");
      const { withBar } = await import("./progress.ts");
      console.log(await withBar((onProgress) => downloadModel(id, { ...options, onProgress })));
    });
}
