import { type Command, InvalidArgumentError, Option } from "commander";
import { LANGUAGE_ROW, SPOKEN_LANGUAGES } from "../model/sensevoice/prompt.ts";
import { DEVICES, TUNES, WEIGHT_TYPES } from "../options.ts";
import { EMOTIONS, EVENTS } from "../output/tagNames.ts";
import { SPEAKER_MODES } from "../speech/speakerOptions.ts";
import { readHotwords } from "./hotwords.ts";

/** What the commands that report on recordings can be told. */
export function addHearOptions(command: Command): Command {
  const named = command.argument("<files...>", "sound files, folders of them, patterns; - is standard input");
  return addSpeechOptions(addEngineOptions(named)).option("--output <file>", "write it there and print nothing", path);
}

/** What every command that runs a model can be told: EngineOptions. */
export function addEngineOptions(command: Command): Command {
  return command
    .option("--model <model>", "tiny, small or a model folder (default: small if downloaded, else tiny)")
    .addOption(choice("--device <device>", "where to compute", DEVICES, "auto"))
    .addOption(
      choice("--weights <type>", "how to keep the weights (default: int8 on a CPU, else as stored)", WEIGHT_TYPES),
    )
    .option("--vad-model <dir>", "FSMN-VAD model folder (default: MODEL/vad, else one downloaded)", path)
    .option("--threads <count>", "threads of the CPU (default: its cores)", count)
    .addOption(choice("--tune <when>", "time the GPU's kernels first (default: what is not known yet)", TUNES))
    .option("--profile", "print the time of each GPU kernel on stderr at the end")
    .addOption(choice("--language <language>", "language to ask for", Object.keys(LANGUAGE_ROW), "auto"));
}

/** What commands that transcribe can be told about what is said. */
export function addSpeechOptions(command: Command): Command {
  return command
    .option("--itn", "write punctuation, capitals and figures")
    .option("--ban-emo-unk", "always name an emotion, never EMO_UNKNOWN")
    .addOption(
      new Option("--languages <list>", "let the model tell, but only among these: zh,en")
        .argParser(languageList)
        .conflicts("language"),
    )
    .addOption(
      new Option("--punctuation", "write punctuation and capitals, numbers as they are spoken").conflicts("itn"),
    )
    .option("--hotwords <list>", "words that are likely to be said: kubernetes,王小明", (text) => text.split(","))
    .option(
      "--hotwords-file <file>",
      "the same, one a line; a boost in nats a token (1.5) may follow a tab",
      readHotwords,
    );
}

/** How commands that look for speech tell it from silence: VoiceSettings. */
export function addVoiceOptions(command: Command): Command {
  return command
    .option("--end-silence-ms <ms>", "silence that ends speech (default: 800; fsmn: 2000, less in long speech)", amount)
    .option("--speech-threshold <x>", "fsmn: how much likelier than silence speech is, 0 to 1 (default: 0.5)", amount)
    .option("--pad-ms <ms>", "sound to have in front of speech (default: 200; model: 300)", amount);
}

/** What commands can be told that tell speakers apart: SpeakerArguments. */
export function addSpeakerOptions(command: Command): Command {
  return addLiveSpeakerOptions(command).addOption(speakerModeOption());
}

/** The same of live sound. */
export function addLiveSpeakerOptions(command: Command): Command {
  const named = command
    .option("--speakers", "tell who says what; there must be a speaker model (download --speakers)")
    .option("--people <file>", "who may be among them (default: whoever was enrolled)", path);
  return addSpeakerModel(named, "as --speakers, where it is known how many they are");
}

/** How speakers are told apart. */
export function addDiarizerOptions(command: Command, speakerCount: string): Command {
  return addSpeakerModel(command, speakerCount).addOption(speakerModeOption());
}

function speakerModeOption(): Option {
  return choice("--speaker-mode <mode>", "funasr gives FunASR's answers (default: better ones)", SPEAKER_MODES);
}

function addSpeakerModel(command: Command, speakerCount: string): Command {
  return command
    .option("--speaker-count <count>", speakerCount, count)
    .option("--speaker-model <dir>", "CAM++ model folder (default: MODEL/speaker, else one downloaded)", path);
}

/** How a conversion keeps the matrices. */
export function dtypeOption(): Option {
  return choice("--dtype <type>", "element type of the matrices", ["f16", "f32"], "f16");
}

export function choice(flags: string, description: string, choices: readonly string[], initial?: string): Option {
  return new Option(flags, description).choices(choices).default(initial);
}

export function count(text: string): number {
  if (/^[1-9]\d*$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new InvalidArgumentError("expected a number from 1 on.");
}

export function seconds(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new InvalidArgumentError("expected seconds, 0 or more.");
}

export function amount(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new InvalidArgumentError("expected a number, 0 or more.");
}

/** Names of events and emotions. */
export const tagNames = [...new Set([...EVENTS, ...EMOTIONS])];

export function tagList(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.every((name) => tagNames.includes(name))) return names;
  throw new InvalidArgumentError(`expected some of ${tagNames.join(", ")}.`);
}

export function languageList(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.every((name) => SPOKEN_LANGUAGES.some((spoken) => spoken === name))) return names;
  throw new InvalidArgumentError(`expected some of ${SPOKEN_LANGUAGES.join(", ")}, with commas between them.`);
}

/** An empty path is what a shell makes of a variable that is not set. */
export function path(text: string): string {
  if (text !== "") return text;
  throw new InvalidArgumentError("expected a path, got an empty one.");
}
