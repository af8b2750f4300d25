import type { Command } from "commander";
import type { ConvertOptions } from "../convert/convert.ts";
import type { DownloadOptions } from "../convert/download.ts";
import { DEVICES, VADS } from "../options.ts";
import { FORMAT_NAMES } from "../output/format.ts";
import { CUT_FORMATS, FRAME_RATES } from "../output/highlights.ts";
import { MARKS } from "../output/marks.ts";
import { PRESETS } from "../quant/scheme.ts";
import { createCommand } from "./command.ts";
import type { EnrollArguments } from "./enroll.ts";
import type { HighlightsOptions } from "./highlights.ts";
import type { InspectOptions } from "./inspect.ts";
import type { LiveArguments } from "./live.ts";
import {
  addEngineOptions,
  addHearOptions,
  addLiveSpeakerOptions,
  addSpeakerOptions,
  addSpeechOptions,
  addVoiceOptions,
  choice,
  count,
  dtypeOption,
  path,
  seconds,
  tagList,
  tagNames,
} from "./options.ts";
import type { QuantizeOptions } from "./quantize.ts";
import type { TranscribeArguments } from "./transcribe.ts";
import type { VadArguments } from "./vad.ts";

type Converting = ConvertOptions & { readonly out?: string };
type Downloading = DownloadOptions & { readonly vad: boolean; readonly speakers?: true; readonly int8?: true };

// Start-up time counts: the commands import their engines, decoders and drivers when they are run.

/** `transcribe FILE...`, the command there is when none is named. */
export function transcribeCommand(): Command {
  const command = createCommand("transcribe")
    .description("write down what is said in sound files (the default command)")
    .argument("[files...]", "sound files, folders of them, patterns: wav, mp3, flac, ogg, m4a, …; - is standard input");
  return addSpeakerOptions(addVoiceOptions(addSpeechOptions(addEngineOptions(command))))
    .option("--timestamps", "add when each word was said")
    .addOption(choice("--format <format>", "what to print; rttm implies --speakers", FORMAT_NAMES, "text"))
    .addOption(choice("--marks <marks>", "how to show emotions and events", MARKS, "emoji"))
    .addOption(
      choice("--vad <vad>", "how to find speech (default for over 30 s: fsmn if there is one, else model)", VADS),
    )
    .option("--merge-seconds <s>", "join stretches of speech up to this length, 0: don't (default: 15)", seconds)
    .option("--max-segment-seconds <s>", "cut longer speech (default: 30)", seconds)
    .option("--batch-seconds <s>", "sound to recognise at a time (default: 60)", seconds)
    .option("--output <dir>", "write a file per sound there, NAME.txt, NAME.srt, …, and print nothing", path)
    .option("--resume", "leave out what the journal in --output says is done")
    .action(async (files: string[], options: TranscribeArguments, command: Command) => {
      if (files.length === 0) (command.parent ?? command).help({ error: true });
      await (await import("./transcribe.ts")).transcribe(files, options);
    });
}

/** `live`: the microphone, or raw samples on standard input. */
export function liveCommand(): Command {
  const command = createCommand("live").description(
    "write down what is being said: from a microphone, or raw samples on stdin",
  );
  return addLiveSpeakerOptions(addVoiceOptions(addSpeechOptions(addEngineOptions(command))))
    .option("--timestamps", "add when each word was said")
    .addOption(choice("--format <format>", "jsonl has partial results too", ["text", "jsonl"], "text"))
    .addOption(choice("--marks <marks>", "how to show emotions and events", MARKS, "emoji"))
    .addOption(choice("--vad <vad>", "how to find speech (default: fsmn if there is one, else energy)", VADS))
    .option("--max-segment-seconds <s>", "cut longer speech (default: 30)", seconds)
    .option("--partial-seconds <s>", "sound between two partial results (default: 0.4)", seconds)
    .addOption(choice("--encoding <encoding>", "of the samples on stdin", ["s16le", "f32le"], "s16le"))
    .option("--rate <hz>", "samples a second on stdin", count, 16_000)
    .option("--channels <count>", "channels on stdin", count, 1)
    .addHelpText(
      "after",
      `
Examples:
  $ sensevoice live
  $ sensevoice live --speakers
  $ ffmpeg -i https://example.org/radio -f s16le -ac 1 -ar 16000 - | sensevoice live --format jsonl`,
    )
    .action(async (options: LiveArguments) => {
      await (await import("./live.ts")).live(options);
    });
}

/** `convert MODEL --out DIR`, or `convert MODEL DIR`: a FunASR folder in, a model folder out. Prints its path. */
export function convertCommand(name: string): Command {
  return createCommand(name)
    .description("convert a ModelScope/FunASR folder of SenseVoiceSmall, FSMN-VAD or CAM++ into a model folder")
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
    .option("--int8", "make the copy in int8 at once that a CPU makes at its first run")
    .option("--no-vad", "do not fetch FunASR's voice activity model into the subfolder vad (2 MB)")
    .option("--speakers", "fetch FunASR's speaker model, CAM++, as well into the subfolder speaker (28 MB)")
    .action(async (id: string, { vad, speakers, int8, ...options }: Downloading) => {
      const { downloadModel, downloadSpeakers, downloadVad } = await import("../convert/download.ts");
      const { withBar } = await import("./progress.ts");
      const dir = await withBar((onProgress) => downloadModel(id, { ...options, onProgress }));
      console.log(dir);
      if (int8) await withBar(async (onProgress) => (await import("../int8Copy.ts")).makeInt8Copy(dir, onProgress));
      if (vad) await withBar((onProgress) => downloadVad(dir, { ...options, onProgress }));
      if (speakers) await withBar((onProgress) => downloadSpeakers(dir, { ...options, onProgress }));
    });
}

/** `vad FILE...`: where somebody speaks. */
export function vadCommand(): Command {
  return addVoiceOptions(createCommand("vad"))
    .description("tell from when to when somebody speaks in sound files")
    .argument("<files...>", "sound files: wav, mp3, flac, ogg, m4a, …; - reads standard input")
    .addOption(choice("--vad <how>", "FSMN-VAD, the recogniser or loudness (default: fsmn if there is one)", VADS))
    .option("--vad-model <dir>", "FSMN-VAD model folder (default: MODEL/vad, else one downloaded)", path)
    .option("--model <model>", "tiny, small or a model folder (default: small if downloaded, else tiny)")
    .option("--threads <count>", "threads of the CPU (default: its cores)", count)
    .option("--max-segment-seconds <s>", "cut longer speech (default: 60)", seconds)
    .addOption(choice("--format <format>", "what to print", ["text", "json"], "text"))
    .action(async (files: string[], options: VadArguments) => {
      await (await import("./vad.ts")).detectVoice(files, options);
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
    .option("--sequential", "fit each layer to what the layers before it hand on: fewer errors, several times as slow")
    .option("--save-policy <file>", "write the policy that was used as JSON, to be edited and given again", path)
    .option("--resume", "go on with what an interrupted calibration has left beside --out")
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

/** `enroll NAME FILES`: a voice to be known again. */
export function enrollCommand(): Command {
  return createCommand("enroll")
    .description("keep somebody's voice, so that --speakers calls them by their name")
    .argument("<name>", "what to call them")
    .argument("<files...>", "sounds in which nobody else speaks, 10 s or more in all")
    .option("--people <file>", "where to keep it (default: people.json in $SENSEVOICE_HOME)", path)
    .option("--model <model>", "tiny, small or a model folder (default: small if downloaded, else tiny)")
    .option("--speaker-model <dir>", "CAM++ model folder (default: MODEL/speaker, else one downloaded)", path)
    .option("--vad-model <dir>", "FSMN-VAD model folder (default: MODEL/vad, else one downloaded)", path)
    .addOption(choice("--device <device>", "where to compute", DEVICES, "auto"))
    .option("--threads <count>", "threads of the CPU (default: its cores)", count)
    .action(async (name: string, files: string[], options: EnrollArguments) => {
      await (await import("./enroll.ts")).enroll(name, files, options);
    });
}

/** `inspect FILES`: what happens when. */
export function inspectCommand(): Command {
  const command = createCommand("inspect").description("report moods, events, keywords and silences of recordings");
  return addSpeakerOptions(addHearOptions(command))
    .option(
      "--rules <file>",
      "what to look for, in YAML (default: apology, promise, complaint, anger, silence, …)",
      path,
    )
    .addOption(choice("--format <format>", "html is one file with pictures", ["md", "html", "json"], "md"))
    .action(async (files: string[], options: InspectOptions) => {
      await (await import("./inspect.ts")).inspect(files, options);
    });
}

/** `highlights FILES`: a cut list. */
export function highlightsCommand(): Command {
  const command = createCommand("highlights").description(
    "list the pieces of recordings with certain moods and events",
  );
  return addHearOptions(command)
    .option("--only <names>", `of ${tagNames.join(", ")}`, tagList, ["laughter", "applause", "happy"])
    .option("--pad <seconds>", "add this much on both sides", seconds, 2)
    .option("--merge <seconds>", "join pieces that are no further apart", seconds, 0)
    .addOption(choice("--format <format>", "concat is for ffmpeg -f concat -safe 0", CUT_FORMATS, "json"))
    .addOption(choice("--fps <rate>", "frames per second of an edl, non-drop", FRAME_RATES, "25"))
    .action(async (files: string[], options: HighlightsOptions) => {
      await (await import("./highlights.ts")).highlights(files, options);
    });
}
