import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { SPEAKER_FORMAT } from "../model/campplus/config.ts";
import { VAD_FORMAT } from "../model/fsmnVad/config.ts";
import { fieldsOf } from "../weights/fields.ts";
import { fileError, readJsonFile } from "../weights/file.ts";
import { home, modelPath, SMALL_ID, SPEAKER_ID, speakerPath, VAD_ID, vadPath } from "../weights/home.ts";
import type { ModelFormat } from "../weights/replaceFolder.ts";
import type { Progress } from "../weights/source.ts";
import { convertModel } from "./convert.ts";
import { fetchFile, type RemoteFile } from "./fetchFile.ts";
import { type Hub, listRepository } from "./hub.ts";

export interface DownloadOptions {
  /** The hub to fetch from: "modelscope" unless given. */
  readonly from?: Hub;
  /** Address of a mirror in the hub's place; also $SENSEVOICE_ENDPOINT. */
  readonly endpoint?: string;
  /** Element type to convert the matrices to: "f16" unless given. */
  readonly dtype?: "f32" | "f16";
  readonly onProgress?: (progress: Progress) => void;
}

const REQUIRED = ["model.pt", "config.yaml", "am.mvn"];
const SPEAKER_WEIGHTS = "campplus_cn_common.bin";
const REQUIRED_OF_SPEAKERS = [SPEAKER_WEIGHTS, "config.yaml"];
const OPTIONAL = ["configuration.json", "tokens.json"];

/** The same model under the other hub's name. */
const ON_HUGGINGFACE: ReadonlyMap<string, string> = new Map([
  [SMALL_ID, "FunAudioLLM/SenseVoiceSmall"],
  [VAD_ID, "funasr/fsmn-vad"],
  [SPEAKER_ID, "funasr/campplus"],
]);

/**
 * Fetches a FunASR model, `iic/SenseVoiceSmall` for one, into `<home>/downloads/<id>` and converts it into
 * `<home>/models/<name>`, whose path is returned. Sizes and checksums are those that the hub states. An
 * interrupted download goes on where it ended, and files that are there already are not fetched again.
 * Throws a SenseVoiceError with the address and what went wrong.
 */
export async function downloadModel(id: string, options: DownloadOptions = {}): Promise<string> {
  const target = modelPath(id);
  await fetchModel(id, target, options);
  return target;
}

/**
 * Fetches FunASR's voice activity model in the same way and converts it into the subfolder `vad` of a model folder. A
 * folder that is itself a voice activity or speaker model's stays as it is.
 */
export function downloadVad(modelDir: string, options: Omit<DownloadOptions, "dtype"> = {}): Promise<void> {
  return downloadBeside(modelDir, VAD_ID, vadPath(modelDir), "voice activity is", options);
}

/** The same of FunASR's speaker model, CAM++, and the subfolder `speaker`. */
export function downloadSpeakers(modelDir: string, options: Omit<DownloadOptions, "dtype"> = {}): Promise<void> {
  return downloadBeside(modelDir, SPEAKER_ID, speakerPath(modelDir), "speakers are", options);
}

/** What stands in no model's subfolder, nor has one. */
const ALONE: readonly ModelFormat[] = [VAD_FORMAT, SPEAKER_FORMAT];

async function downloadBeside(
  modelDir: string,
  id: string,
  target: string,
  what: string,
  options: DownloadOptions,
): Promise<void> {
  const { format } = fieldsOf(await readJsonFile(join(modelDir, "config.json")));
  if (ALONE.some((alone) => alone === format)) return;
  await fetchModel(id, target, options).catch((error: unknown) => {
    const rest = `${what} missing, the model ${modelDir} is complete without it`;
    throw error instanceof SenseVoiceError ? new SenseVoiceError(`${error.message}; ${rest}`) : error;
  });
}

async function fetchModel(id: string, target: string, options: DownloadOptions): Promise<void> {
  const { from = "modelscope", endpoint = process.env.SENSEVOICE_ENDPOINT, dtype = "f16", onProgress } = options;
  const remoteId = from === "huggingface" ? (ON_HUGGINGFACE.get(id) ?? id) : id;
  const files = modelFiles(remoteId, await listRepository(from, remoteId, endpoint));
  const dir = join(home(), "downloads", from, remoteId);
  await mkdir(dir, { recursive: true }).catch((error: unknown) => {
    throw fileError(dir, error);
  });
  for (const file of files) {
    const { name, bytes: total } = file;
    await fetchFile(file, join(dir, name), (done) => onProgress?.({ task: name, done, total }));
  }
  await convertModel(dir, target, { dtype, onProgress });
}

/** The files of a FunASR folder among those of a repository, the smallest first. */
function modelFiles(id: string, files: readonly RemoteFile[]): RemoteFile[] {
  const has = (wanted: string) => files.some(({ name }) => name === wanted);
  const required = has(SPEAKER_WEIGHTS) ? REQUIRED_OF_SPEAKERS : REQUIRED;
  for (const name of required) {
    if (has(name)) continue;
    throw new SenseVoiceError(`[download] ${id}: expected a FunASR model, got no ${name}`);
  }
  const wanted = (name: string) => [...required, ...OPTIONAL].includes(name) || name.endsWith(".model");
  return files.filter(({ name }) => wanted(name)).toSorted((a, b) => a.bytes - b.bytes);
}
