import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SenseVoiceError } from "../error.ts";
import { recoverFolder } from "./replaceFolder.ts";

/** The model that the package carries. Two folders up is the package's root, from src/ as from dist/. */
export const TINY = fileURLToPath(new URL("../../weights/tiny", import.meta.url));
/** The real model's name on ModelScope. */
export const SMALL_ID = "iic/SenseVoiceSmall";
/** The name there of FunASR's voice activity model. */
export const VAD_ID = "iic/speech_fsmn_vad_zh-cn-16k-common-pytorch";

/** The name there of FunASR's speaker model, CAM++. */
export const SPEAKER_ID = "iic/speech_campplus_sv_zh-cn_16k-common";

/** The package's version. Two folders up is its root, from src/ as from dist/. */
export function version(): string {
  return JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version;
}

/** Where downloads and converted models are kept: $SENSEVOICE_HOME, else ~/.cache/sensevoice. */
export function home(): string {
  return process.env.SENSEVOICE_HOME || join(homedir(), ".cache", "sensevoice");
}

/** The model folder that a download of `owner/name` is converted into. */
export function modelPath(id: string): string {
  return join(home(), "models", id.slice(id.lastIndexOf("/") + 1));
}

/**
 * The folder of a model: "tiny" comes with the package, "small" is the downloaded SenseVoiceSmall, anything
 * else is a folder's path. Throws a SenseVoiceError when there is none, saying how to get it.
 */
export function findModel(nameOrDir: string): string {
  if (nameOrDir === "tiny") return TINY;
  if (nameOrDir === "small") {
    const dir = modelPath(SMALL_ID);
    if (recoverFolder(dir)) return dir;
    throw new SenseVoiceError(`[weights] small: not downloaded yet; run: sensevoice download ${SMALL_ID}`);
  }
  if (recoverFolder(nameOrDir)) return nameOrDir;
  throw new SenseVoiceError(
    `[weights] ${nameOrDir}: expected "tiny", "small" or a model folder; there is no such folder`,
  );
}

/** The model for whoever names none: the real one once it has been downloaded, else the demonstration. */
export function defaultModel(): "small" | "tiny" {
  return recoverFolder(modelPath(SMALL_ID)) ? "small" : "tiny";
}

/** Where a model folder has a voice activity model of its own. */
export function vadPath(modelDir: string): string {
  return join(modelDir, "vad");
}

/** Where a model folder has a speaker model of its own. */
export function speakerPath(modelDir: string): string {
  return join(modelDir, "speaker");
}

/** The voice activity model in a model's folder, else one that was downloaded; undefined if there is none. */
export function findVad(modelDir: string): string | undefined {
  return firstModel([vadPath(modelDir), modelPath(VAD_ID), vadPath(modelPath(SMALL_ID))]);
}

/** The same of a speaker model. */
export function findSpeaker(modelDir: string): string | undefined {
  return firstModel([speakerPath(modelDir), modelPath(SPEAKER_ID), speakerPath(modelPath(SMALL_ID))]);
}

function firstModel(places: readonly string[]): string | undefined {
  return places.find((dir) => recoverFolder(dir) && existsSync(join(dir, "config.json")));
}
