/** What a user of the package imports in a browser: the same names, without files and folders. */
import { MAX_SECONDS } from "./audio/pcm.ts";
import { streamSound } from "./audio/source.ts";
import { joinAudio } from "./audio/stream.ts";
import type { Engine, SoundInput } from "./engine.ts";
import { reasonOf, SenseVoiceError } from "./error.ts";
import { type LoadOptions, loadEngine } from "./loadEngine.ts";
import { expectObject, expectText } from "./options.ts";
import { httpSource } from "./weights/httpSource.ts";

export * from "./index.ts";

export interface EngineOptions extends Omit<LoadOptions, "vad"> {
  /** Address of a model folder, relative to the page. */
  readonly model: string;
  /** Address of an FSMN-VAD model's folder; that in the model's folder unless given. */
  readonly vadModel?: string;
}

/**
 * Loads a model from a server onto a device.
 *
 * @throws SenseVoiceError if there is no such model, its files are damaged, or there is no such device
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  expectObject("options", options);
  const { model, vadModel, ...rest } = options;
  expectText("model", model);
  if (vadModel !== undefined) expectText("vadModel", vadModel);
  const vad = vadModel === undefined ? undefined : httpSource(addressOf(vadModel));
  return loadEngine(httpSource(addressOf(model)), readSound, { ...rest, vad });
}

/**
 * Reads a sound file as the model wants it: decoded, mixed down, resampled.
 *
 * @param name what to call it in messages
 * @param maxSeconds where decoding stops with an error; 1800, which is what `Engine.run` takes, unless given
 * @returns mono samples in [-1, 1] at 16 kHz
 * @throws SenseVoiceError if it is no sound, is damaged, is empty or too long
 */
export async function readAudio(
  source: Blob | Uint8Array,
  name = "audio",
  maxSeconds = MAX_SECONDS,
): Promise<Float32Array> {
  return joinAudio(streamSound(source, name, undefined, maxSeconds));
}

/** Any sound, as `streamSound` takes it, or what lies at an address. */
async function* readSound(source: SoundInput): AsyncGenerator<Float32Array> {
  if (typeof source !== "string" && !(source instanceof URL)) return yield* streamSound(source);
  const name = addressOf(source);
  const { ok, status, body } = await fetch(name).catch((error: unknown) => {
    throw new SenseVoiceError(`${name}: ${reasonOf(error)}`);
  });
  if (!ok || !body) throw new SenseVoiceError(`${name}: expected a sound file, got HTTP status ${status}`);
  yield* streamSound(body, name);
}

/** An address may be relative to the page. */
function addressOf(address: string | URL): string {
  return new URL(address, globalThis.location?.href).href;
}
