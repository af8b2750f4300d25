import { MAX_SECONDS } from "./audio/pcm.ts";
import type { SoundInput } from "./audio/pieces.ts";
import { streamSound } from "./audio/source.ts";
import { joinAudio } from "./audio/stream.ts";
import type { Engine } from "./engine.ts";
import { reasonOf, SenseVoiceError } from "./error.ts";
import { type LoadOptions, loadEngine, type OpenModel, speakerFolder } from "./loadEngine.ts";
import { parseVadConfig } from "./model/fsmnVad/config.ts";
import { parseModelConfig } from "./model/sensevoice/config.ts";
import { readConfig } from "./model/sensevoice/configFile.ts";
import { expectObject, expectText, show } from "./options.ts";
import { absoluteAddress } from "./remote/sound.ts";
import { KeptFolder, openStorage, tuningStorage } from "./weights/browserStorage.ts";
import { filesSource, type HttpSource, httpSource } from "./weights/httpSource.ts";
import { type KeepRequest, withKeptModel } from "./weights/keptModel.ts";
import type { ModelSource } from "./weights/source.ts";

export interface EngineOptions extends Omit<LoadOptions, "vad" | "speaker" | "int8" | "tuningStore"> {
  /**
   * Address of a model folder, relative to the page; `"tiny"`, the demonstration model that comes with the package; or
   * the name under which a model is kept (see `keep`), which is then not asked for on the network.
   */
  readonly model: string;
  /** Address of an FSMN-VAD model's folder; that in the model's folder unless given. */
  readonly vadModel?: string;
  /**
   * Address of a CAM++ model's folder; the folder `speaker` in the model's unless given. It is fetched, and kept like a model,
   * once speakers are asked for.
   */
  readonly speakerModel?: string;
  /**
   * Whether the model stays in the browser's storage (OPFS), and is taken from there the next time: true, under its
   * address, unless given; or a name to keep it under; false takes everything from the server. Where a browser has no
   * such storage nothing is kept.
   */
  readonly keep?: boolean | string;
}

/**
 * Loads a model from a server, or from the browser's storage, onto a device. `onProgress` gets `"download"` as a task
 * while files are fetched to be kept, then `"model.safetensors"` while it is loaded.
 *
 * @throws SenseVoiceError if there is no such model, its files are damaged, they cannot be fetched or kept, or there is
 *   no such device
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  return createEngineAt(options, globalThis.location?.href);
}

/** @param base what addresses are relative to */
export async function createEngineAt(options: EngineOptions, base: string | undefined): Promise<Engine> {
  expectObject("options", options);
  const { model, vadModel, speakerModel, keep = true, ...rest } = options;
  expectText("model", model);
  if (vadModel !== undefined) expectText("vadModel", vadModel);
  if (speakerModel !== undefined) expectText("speakerModel", speakerModel);
  if (typeof keep !== "boolean" && (typeof keep !== "string" || keep === "")) {
    throw new SenseVoiceError(`[engine] keep: expected true, false or a name, got ${show(keep)}`);
  }
  const root = keep === false ? undefined : await openStorage();
  const kept = root && (await namedModel(root, model));
  const remote = kept?.remote ?? (await remoteModel(model, base));
  const name = kept?.name ?? (typeof keep === "string" ? keep : remote.name);
  const common = { root, onProgress: rest.onProgress, signal: rest.signal };
  const speaker: OpenModel = async (use) => {
    const own = await speakerSource(root, remote, speakerModel && absoluteAddress(speakerModel, base));
    return withModel(
      { root, onProgress: rest.onProgress, name: own.name, remote: own, offline: false, check: checkSpeaker },
      use,
    );
  };
  return withModel({ ...common, name, remote, offline: kept !== undefined, check }, async (source) => {
    const tuningStore = root && tuningStorage(root);
    const load = (vad?: ModelSource) => loadEngine(source, readSound, { ...rest, vad, speaker, tuningStore });
    if (vadModel === undefined) return load();
    const vad = httpSource(absoluteAddress(vadModel, base));
    const checkVad = (vadSource: ModelSource) => readConfig(vadSource, parseVadConfig);
    return withModel({ ...common, name: vad.name, remote: vad, offline: false, check: checkVad }, load);
  });
}

/** A model that is kept under a name which is not its address. */
async function namedModel(root: FileSystemDirectoryHandle, name: string) {
  const record = name === "tiny" ? undefined : await KeptFolder.find(root, name).then((folder) => folder?.record());
  if (!record || record.address === name || !("config.json" in record.configs)) return undefined;
  return {
    name,
    remote: record.address === "tiny" ? await remoteModel("tiny", undefined) : httpSource(record.address),
  };
}

/** The speaker model at an address, or that in a model's folder, which may not be within reach where it is kept. */
async function speakerSource(
  root: FileSystemDirectoryHandle | undefined,
  model: HttpSource,
  address: string | undefined,
): Promise<HttpSource> {
  if (address !== undefined) return httpSource(address);
  const own = model.folder("speaker");
  if (!root || !(await KeptFolder.find(root, own.name))) await speakerFolder(model);
  return own;
}

async function remoteModel(model: string, base: string | undefined): Promise<HttpSource> {
  if (model !== "tiny") return httpSource(absoluteAddress(model, base));
  const { TINY_FILES } = await import("./tinyModel.ts");
  return filesSource("tiny", TINY_FILES);
}

/** Calls `use` with the model: from the storage if there is one, else from its server. */
function withModel<R>(
  { root, ...request }: Omit<KeepRequest, "root"> & { readonly root?: FileSystemDirectoryHandle },
  use: (source: ModelSource) => Promise<R>,
): Promise<R> {
  return root ? withKeptModel({ ...request, root }, use) : use(request.remote);
}

const check: KeepRequest["check"] = (source, vad) =>
  vad ? readConfig(source, parseVadConfig) : readConfig(source, parseModelConfig);

async function checkSpeaker(source: ModelSource): Promise<unknown> {
  const { parseSpeakerConfig } = await import("./model/campplus/config.ts");
  return readConfig(source, parseSpeakerConfig);
}

/**
 * Reads a sound file as the model wants it: decoded, mixed down, resampled.
 *
 * @param source a Blob, bytes, an address (relative to the page), or a stream of bytes or of samples
 * @param name what to call it in messages; an address is its own unless given
 * @param maxSeconds where decoding stops with an error; 1800, which is what `Engine.run` takes, unless given
 * @returns mono samples in [-1, 1] at 16 kHz
 * @throws SenseVoiceError if it is no sound, is damaged, is empty or too long
 */
export async function readAudio(source: SoundInput, name?: string, maxSeconds = MAX_SECONDS): Promise<Float32Array> {
  return joinAudio(readSound(source, name, maxSeconds));
}

/** Any sound, as `streamSound` takes it, or what lies at an address. */
async function* readSound(source: SoundInput, name?: string, maxSeconds?: number): AsyncGenerator<Float32Array> {
  if (typeof source !== "string" && !(source instanceof URL)) {
    return yield* streamSound(source, name, undefined, maxSeconds);
  }
  const address = absoluteAddress(source);
  const called = name ?? address;
  const { ok, status, body } = await fetch(address).catch((error: unknown) => {
    throw new SenseVoiceError(`${called}: ${reasonOf(error)}`);
  });
  if (!ok || !body) throw new SenseVoiceError(`${called}: expected a sound file, got HTTP status ${status}`);
  yield* streamSound(body, called, undefined, maxSeconds);
}
