import type { Weight } from "../../tensor/quantized.ts";
import { readTensors } from "../../weights/readTensors.ts";
import { expectDigest, type ModelSource, TOKENIZER_FILE, WEIGHTS_FILE } from "../../weights/source.ts";
import { type ModelConfig, parseModelConfig } from "./config.ts";
import { readConfig } from "./configFile.ts";
import { modelParameters } from "./parameters.ts";

/** A converted model, wherever it is kept. */
export interface ModelFiles {
  readonly source: ModelSource;
  readonly config: ModelConfig;
  /** The SentencePiece model, its SHA-256 checked. */
  readonly tokenizer: Uint8Array;
  /** See readTensors. */
  tensors(onBytes?: (done: number) => void, lent?: boolean): AsyncGenerator<[name: string, tensor: Weight]>;
}

/**
 * Opens what `convertModel` or `writeModelFolder` wrote.
 * @throws SenseVoiceError that says what is missing or damaged, and what to do
 */
export async function openModel(source: ModelSource): Promise<ModelFiles> {
  const config = await readConfig(source, parseModelConfig);
  const { [TOKENIZER_FILE]: tokenizerDigest, [WEIGHTS_FILE]: digest } = config.files;
  const tokenizer = await source.readFile(TOKENIZER_FILE, tokenizerDigest.bytes);
  const hash = source.createHash();
  hash.update(tokenizer);
  expectDigest(TOKENIZER_FILE, { bytes: tokenizer.length, sha256: hash.digest() }, tokenizerDigest);
  // The weights' sum takes a read of the whole file; the size is known at once.
  const weights = await source.openFile(WEIGHTS_FILE);
  await weights.close();
  expectDigest(WEIGHTS_FILE, { ...digest, bytes: weights.size }, digest);
  const parameters = modelParameters(config);
  const { quantization = {} } = config;
  const stored = { file: WEIGHTS_FILE, digest, parameters, quantization };
  return { source, config, tokenizer, tensors: (...how) => readTensors(source, stored, ...how) };
}
