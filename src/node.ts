/** What a user of the package imports in Node. */
import type { Engine } from "./engine.ts";
import { type LoadOptions, loadEngine } from "./loadEngine.ts";
import { expectObject, expectText } from "./options.ts";
import { folderSource } from "./weights/folderSource.ts";
import { defaultModel, findModel } from "./weights/home.ts";

export { readAudio } from "./audio/read.ts";
export type { Engine, RunOptions, Timings, Transcript } from "./engine.ts";
export { SenseVoiceError } from "./error.ts";
export type { AskedLanguage, SpokenLanguage } from "./model/sensevoice/prompt.ts";
export type { Emotion, Language, SoundEvent } from "./model/sensevoice/tags.ts";
export type { Word } from "./model/sensevoice/words.ts";
export type { Device, WeightType } from "./options.ts";
export type { Hotword } from "./speech/hotwords.ts";
export type { Progress } from "./weights/source.ts";

export interface EngineOptions extends LoadOptions {
  /**
   * `"tiny"` (the demonstration model that comes with the package), `"small"` once downloaded, or a model folder;
   * small if it was downloaded, else tiny, unless given.
   */
  readonly model?: string;
}

/**
 * Loads a model onto a device.
 *
 * @throws SenseVoiceError if there is no such model, its files are damaged, or there is no such device
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  expectObject("options", options);
  const { model = defaultModel(), ...rest } = options;
  expectText("model", model);
  return loadEngine(folderSource(findModel(model)), rest);
}
