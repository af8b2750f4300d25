import { join } from "node:path";
import type { ModelConfig } from "../model/sensevoice/config.ts";
import { linearParameters } from "../model/sensevoice/parameters.ts";
import { openSafetensors } from "../weights/safetensorsFile.ts";
import { WEIGHTS_FILE } from "../weights/source.ts";

/** What a model takes on disk. */
export interface ModelSize {
  /** Of the whole weights file. */
  readonly bytes: number;
  /** Of the matrices of the linear layers, with the scales, zero points and tables of quantised ones. */
  readonly linearBytes: number;
  /** Numbers in these matrices. */
  readonly linearWeights: number;
}

/** Reads a model's sizes from the header of its weights file. */
export async function modelSize(dir: string, config: ModelConfig): Promise<ModelSize> {
  const file = await openSafetensors(join(dir, WEIGHTS_FILE));
  await file.close();
  const linear = linearParameters(config);
  // What belongs to a quantised matrix is called after it: NAME.codes, say.
  const parts = [...file.tensors.values()].filter((tensor) => linear.some(({ name }) => tensor.name.startsWith(name)));
  return {
    bytes: config.files[WEIGHTS_FILE].bytes,
    linearBytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
    linearWeights: linear.reduce((sum, { shape: [n, k] }) => sum + n * k, 0),
  };
}
