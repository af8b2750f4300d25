import type { Backend, LinearWeight, Tensor } from "../../tensor/backend.ts";
import { readTensors } from "../../weights/readTensors.ts";
import { type ModelSource, WEIGHTS_FILE } from "../../weights/source.ts";
import { readConfig } from "../sensevoice/configFile.ts";
import { parseVadConfig } from "./config.ts";
import { FsmnVad } from "./network.ts";
import { vadParameters } from "./parameters.ts";
import { loadVadWeights } from "./weights.ts";

/**
 * Loads a voice activity model that `convertModel` wrote onto a device.
 *
 * @throws SenseVoiceError that says what is missing or damaged, and what to do
 */
export async function loadVad<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  source: ModelSource,
): Promise<FsmnVad<T, W>> {
  const config = await readConfig(source, parseVadConfig);
  const stored = {
    file: WEIGHTS_FILE,
    digest: config.files[WEIGHTS_FILE],
    parameters: vadParameters(config.encoder),
    quantization: {},
  };
  const tensors = readTensors(source, stored);
  const weights = await loadVadWeights(backend, config.encoder, config.detector.silenceClasses, tensors);
  const vad = new FsmnVad(backend, config, weights);
  await vad.prepare();
  return vad;
}
