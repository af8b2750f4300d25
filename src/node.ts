/** What a user of the package imports in Node. */
import { streamInput } from "./audio/read.ts";
import type { Engine } from "./engine.ts";
import { int8Copy } from "./int8Copy.ts";
import { type LoadOptions, loadEngine } from "./loadEngine.ts";
import { expectObject, expectText } from "./options.ts";
import { folderSource } from "./weights/folderSource.ts";
import { defaultModel, findModel, findSpeaker, findVad } from "./weights/home.ts";
import { tuningFiles } from "./weights/tuningFile.ts";

export { readAudio } from "./audio/read.ts";
export * from "./index.ts";

export interface EngineOptions extends Omit<LoadOptions, "vad" | "speaker" | "int8" | "tuningStore"> {
  /**
   * `"tiny"` (the demonstration model that comes with the package), `"small"` once downloaded, or a model folder;
   * small if it was downloaded, else tiny, unless given.
   */
  readonly model?: string;
  /** Folder of an FSMN-VAD model; that in the model's folder, else one that was downloaded, unless given. */
  readonly vadModel?: string;
  /** Folder of a CAM++ model; that in the model's folder, else one that was downloaded, unless given. */
  readonly speakerModel?: string;
}

/**
 * Loads a model onto a device.
 *
 * @throws SenseVoiceError if there is no such model, its files are damaged, or there is no such device
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  expectObject("options", options);
  const { model = defaultModel(), vadModel, speakerModel, ...rest } = options;
  expectText("model", model);
  if (vadModel !== undefined) expectText("vadModel", vadModel);
  if (speakerModel !== undefined) expectText("speakerModel", speakerModel);
  const dir = findModel(model);
  const vad = vadModel ?? findVad(dir);
  const speaker = speakerModel ?? findSpeaker(dir);
  return loadEngine(folderSource(dir), streamInput, {
    tuningStore: tuningFiles(),
    ...rest,
    int8: int8Copy(dir),
    vad: vad === undefined ? undefined : folderSource(vad),
    speaker: speaker === undefined ? undefined : (use) => use(folderSource(speaker)),
  });
}
