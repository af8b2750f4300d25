import type { Backend, LinearWeight, Tensor } from "../../tensor/backend.ts";
import type { Weight } from "../../tensor/quantized.ts";
import { readTensors } from "../../weights/readTensors.ts";
import { type ModelSource, WEIGHTS_FILE } from "../../weights/source.ts";
import { readConfig } from "../sensevoice/configFile.ts";
import { parseSpeakerConfig } from "./config.ts";
import { Campplus } from "./network.ts";
import { campplusParameters } from "./parameters.ts";
import { loadCampplusWeights } from "./weights.ts";

/**
 * Loads a speaker model that `convertModel` wrote onto a device.
 *
 * @param openFeatures what turns sound into rows of so many mels: `openSpeakerFeatures`
 * @param convert what becomes of a weight before it goes to the device: the way to int8
 * @throws SenseVoiceError that says what is missing or damaged, and what to do
 */
export async function loadSpeaker<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  source: ModelSource,
  openFeatures: (mels: number) => Promise<(pcm: Float32Array) => Float32Array>,
  convert?: (weight: Weight) => Weight | Promise<Weight>,
): Promise<Campplus<T, W>> {
  const config = await readConfig(source, parseSpeakerConfig);
  const stored = {
    file: WEIGHTS_FILE,
    digest: config.files[WEIGHTS_FILE],
    parameters: campplusParameters(config),
    quantization: {},
  };
  const weights = await loadCampplusWeights(backend, config, readTensors(source, stored), convert);
  return new Campplus(backend, config, weights, await openFeatures(config.mels));
}
