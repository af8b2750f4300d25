/** A FunASR folder in, a model folder out: `tsx scripts/convert-weights.ts SOURCE TARGET [--dtype f32]`. */
import { SingleBar } from "cli-progress";
import { Command, Option } from "commander";
import { SenseVoiceError } from "../src/error.ts";
import { type ConvertOptions, convertModel } from "../src/weights/convert.ts";

const program = new Command("convert-weights")
  .description("Convert a ModelScope/FunASR folder of SenseVoiceSmall into a model folder.")
  .argument("<source>", "folder with model.pt, config.yaml, am.mvn and the SentencePiece model")
  .argument("<target>", "model folder to write; an older one is replaced")
  .addOption(
    new Option("--dtype <type>", "element type of the matrices").choices(["f16", "f32"]).default("f16"),
  )
  .option("--name <name>", "what the model calls itself (default: the source folder's name)")
  .parse();

const [source, target] = program.args;
const options = program.opts<Pick<ConvertOptions, "dtype" | "name">>();
const bar = new SingleBar({ format: "{bar} {percentage} % | {task}", stream: process.stderr });
bar.start(1, 0, { task: source });
try {
  await convertModel(source, target, {
    ...options,
    onProgress: ({ task, done, total }) => bar.update(done / total, { task }),
  });
} catch (error) {
  if (!(error instanceof SenseVoiceError)) throw error;
  bar.stop();
  console.error(error.message);
  process.exitCode = 1;
} finally {
  bar.stop();
}
