import { type Command, InvalidArgumentError, Option } from "commander";
import type { ConvertOptions } from "../convert/convert.ts";
import type { DownloadOptions } from "../convert/download.ts";
import { LANGUAGE_ROW } from "../model/sensevoice/prompt.ts";
import { DEVICES, WEIGHT_TYPES } from "../options.ts";
import { PRESETS } from "../quant/scheme.ts";
import { createCommand } from "./command.ts";
import type { EvalOptions } from "./eval.ts";
import type { QuantizeOptions } from "./quantize.ts";
import type { TranscribeOptions } from "./transcribe.ts";
import type { VadOptions } from "./vad.ts";

/** What tells where somebody speaks. */
const VADS = ["fsmn", "model", "energy"];

type Converting = ConvertOptions & { readonly out?: string };

// Start-up time counts: the commands import their engines, decoders and drivers when they are run.

/** `transcribe FILE...`, the command there is when none is named. */
export function transcribeCommand(): Command {
  const command = createCommand("transcribe")
    .description("write down what is said in sound files (the default command)")
    .argument("[files...]", "sound files: wav, mp3, flac, ogg, m4a, …; - reads standard input");
  return addEngineOptions(command)
    .option("--itn", "write punctuation, capitals and figures")
    .option("--timestamps", "add when each word was said")
    .option("--ban-emo-unk", "always name an emotion, never EMO_UNKNOWN")
    .addOption(choice("--format <format>", "what to print", ["text", "json"], "text"))
    .option("--output <dir>", "write a file per input there, NAME.txt or NAME.json, and print nothing", path)
    .action(async (files: string[], options: TranscribeOptions, command: Command) => {
      if (files.length === 0) (command.parent ?? command).help({ error: true });
      await (await import("./transcribe.ts")).transcribe(files, options);
    });
}

/** `convert MODEL --out DIR`, or `convert MODEL DIR`: a FunASR folder in, a model folder out. Prints its path. */
export function convertCommand(name: string): Command {
  return createCommand(name)
    .description("convert a ModelScope/FunASR folder of SenseVoiceSmall or FSMN-VAD into a model folder")
    .argument("<model>", "folder with model.pt, config.yaml, am.mvn and, of SenseVoice, the SentencePiece model")
    .argument("[target]", "the same as --out", path)
    .option("--out <dir>", "model folder to write; an older one is replaced", path)
    .addOption(dtypeOption())
    .option("--name <name>", "what the model calls itself (default: the source folder's name)")
    .action(async (source: string, target: string | undefined, given: Converting, command: Command) => {
      const { out = target, ...options } = given;
      if (out === undefined) command.error("error: there is no --out DIR: missing required argument 'target'");
      if (out !== (target ?? out)) command.error(`error: expected one target, got ${target} and --out ${out}`);
      const { convertModel } = await import("../convert/convert.ts");
      const { withBar } = await import("./progress.ts");
      await withBar((onProgress) => convertModel(source, out, { ...options, onProgress }));
      console.log(out);
    });
}

/** `download ID`: fetches a model from a hub and converts it. Prints the model folder's path. */
export function downloadCommand(): Command {
  return createCommand("download")
    .description("fetch a FunASR model and convert it; goes on where an earlier download ended")
    .argument("<id>", "the model's name on the hub, iic/SenseVoiceSmall for one (about 0.9 GB)")
    .addOption(choice("--from <hub>", "hub to fetch from", ["modelscope", "huggingface"], "modelscope"))
    .addOption(dtypeOption())
    .option("--no-vad", "do not fetch FunASR's voice activity model into the subfolder vad (2 MB)")
    .action(async (id: string, { vad, ...options }: DownloadOptions & { readonly vad: boolean }) => {
      const { downloadModel, downloadVad } = await import("../convert/download.ts");
      const { withBar } = await import("./progress.ts");
      const dir = await withBar((onProgress) => downloadModel(id, { ...options, onProgress }));
      console.log(dir);
      if (vad) await withBar((onProgress) => downloadVad(dir, { ...options, onProgress }));
    });
}

/** `vad FILE...`: where somebody speaks. */
export function vadCommand(): Command {
  return createCommand("vad")
    .description("tell from when to when somebody speaks in sound files")
    .argument("<files...>", "sound files: wav, mp3, flac, ogg, m4a, …; - reads standard input")
    .addOption(choice("--vad <how>", "FSMN-VAD, the recogniser or loudness (default: fsmn if there is one)", VADS))
    .option("--vad-model <dir>", "FSMN-VAD model folder (default: MODEL/vad, else one downloaded)", path)
    .option("--model <model>", "tiny, small or a model folder (default: small if downloaded, else tiny)")
    .option("--threads <count>", "threads of the CPU (default: its cores)", count)
    .addOption(choice("--format <format>", "what to print", ["text", "json"], "text"))
    .action(async (files: string[], options: VadOptions) => {
      await (await import("./vad.ts")).detectVoice(files, options);
    });
}

/** `eval DATA`: error rates, tags, speed and size on sounds whose text is known. */
export function evalCommand(): Command {
  const command = createCommand("eval")
    .description("measure accuracy and speed on sounds whose text is known")
    .argument("<data>", "manifest.jsonl in SenseVoice's format, or a folder: LibriSpeech's or TIMIT's layout");
  return addEngineOptions(command)
    .addOption(new Option("--ask-language", "ask for each clip's own language").conflicts("language"))
    .option("--limit <clips>", "stop after so many clips", count)
    .option("--no-normalise", "compare texts as they are, but for tags")
    .option("--baseline <file>", "earlier JSON of eval, or lines of key and tokens: count tokens that differ")
    .addOption(choice("--format <format>", "what to print; json has every clip", ["text", "json", "markdown"], "text"))
    .option("--output <file>", "write it there and print nothing", path)
    .action(async (data: string, options: EvalOptions) => {
      await (await import("./eval.ts")).evalData(data, options);
    });
}

/** `quantize MODEL --out DIR`: a model in few bits. */
export function quantizeCommand(): Command {
  return createCommand("quantize")
    .description("put the linear layers of a model into few bits")
    .argument("<model>", "tiny, small or a model folder, in f32 or f16")
    .requiredOption("--out <dir>", "model folder to write; an older one is replaced", path)
    .addOption(choice("--scheme <scheme>", "how", [...Object.keys(PRESETS), "mixed"]).conflicts("policy"))
    .option("--policy <file>", "JSON file that gives each layer its scheme")
    .option("--budget <size>", "for --scheme mixed: stored bits a weight, such as 4.5, or a size, such as 120MB")
    .option("--calibrate <data>", "sound for schemes that need it: a manifest.jsonl, or a folder as eval reads")
    .option("--limit <clips>", "take no more clips than this", count)
    .option("--save-policy <file>", "write the policy that was used as JSON, to be edited and given again", path)
    .addHelpText(
      "after",
      `
Examples:
  $ sensevoice quantize small --scheme int8 --out small-int8
  $ sensevoice quantize small --scheme lut4 --calibrate sounds.jsonl --out small-lut4
  $ sensevoice quantize small --scheme mixed --budget 4.5 --calibrate sounds.jsonl --out small-4.5`,
    )
    .action(async (model: string, options: QuantizeOptions) => {
      await (await import("./quantize.ts")).quantize(model, options);
    });
}

/** What every command that runs a model can be told: EngineOptions. */
function addEngineOptions(command: Command): Command {
  return command
    .option("--model <model>", "tiny, small or a model folder (default: small if downloaded, else tiny)")
    .addOption(choice("--device <device>", "where to compute", DEVICES, "auto"))
    .addOption(choice("--weights <type>", "how to keep the weights on the device", WEIGHT_TYPES))
    .option("--threads <count>", "threads of the CPU (default: its cores)", count)
    .addOption(choice("--language <language>", "language to ask for", Object.keys(LANGUAGE_ROW), "auto"));
}

/** How a conversion keeps the matrices. */
function dtypeOption(): Option {
  return choice("--dtype <type>", "element type of the matrices", ["f16", "f32"], "f16");
}

function choice(flags: string, description: string, choices: readonly string[], initial?: string): Option {
  return new Option(flags, description).choices(choices).default(initial);
}

function count(text: string): number {
  if (/^[1-9]\d*$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new InvalidArgumentError("expected a number from 1 on.");
}

/** An empty path is what a shell makes of a variable that is not set. */
function path(text: string): string {
  if (text !== "") return text;
  throw new InvalidArgumentError("expected a path, got an empty one.");
}
