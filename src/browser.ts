/** What a user of the package imports in a browser: the same names, without files and folders. */
import { MAX_SECONDS } from "./audio/pcm.ts";
import { streamSound } from "./audio/source.ts";
import { joinAudio } from "./audio/stream.ts";
import type { Engine } from "./engine.ts";
import { type LoadOptions, loadEngine } from "./loadEngine.ts";
import { expectObject, expectText } from "./options.ts";
import { httpSource } from "./weights/httpSource.ts";

export type { Engine, RunOptions, Timings, Transcript } from "./engine.ts";
export { SenseVoiceError } from "./error.ts";
export type { AskedLanguage } from "./model/sensevoice/prompt.ts";
export type { Emotion, Language, SoundEvent } from "./model/sensevoice/tags.ts";
export type { Word } from "./model/sensevoice/words.ts";
export type { Device, WeightType } from "./options.ts";
export type { Progress } from "./weights/source.ts";

export interface EngineOptions extends LoadOptions {
  /** Address of a model folder, relative to the page. */
  readonly model: string;
}

/**
 * Loads a model from a server onto a device.
 *
 * @throws SenseVoiceError if there is no such model, its files are damaged, or there is no such device
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  expectObject("options", options);
  const { model, ...rest } = options;
  expectText("model", model);
  return loadEngine(httpSource(new URL(model, globalThis.location?.href).href), rest);
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
