import { createPause } from "../pause.ts";
import type { Weight } from "../tensor/quantized.ts";
import { expectWeights } from "./expectWeights.ts";
import { expectParameters, type Parameter } from "./parameters.ts";
import { createAssembler, type Quantization, storedParameters } from "./quantizedParts.ts";
import { readSafetensors } from "./readSafetensors.ts";
import { expectDigest, type FileDigest, type ModelSource } from "./source.ts";

/** Bytes to hash at a time. */
const HASHED = 2 ** 18;

/** What a safetensors file must hold. */
export interface StoredTensors {
  readonly file: string;
  readonly digest: FileDigest;
  readonly parameters: readonly Parameter[];
  /** Of the linear weights in few bits. */
  readonly quantization: Readonly<Record<string, Quantization>>;
}

/**
 * All tensors in the order of the file, one in memory at a time. Each belongs to the caller; or, `lent`, only until the next
 * is asked for, whose numbers then take its place: garbage that nobody collects in time is as large as a model. A weight in few bits comes
 * put together from its parts, and all numbers are finite. The file's SHA-256 is computed on the way and compared
 * before the last tensor is handed over, so whoever takes all of them has a whole, unchanged file; a damaged one ends
 * in a SenseVoiceError.
 */
export async function* readTensors(
  source: ModelSource,
  { file: name, digest, parameters, quantization }: StoredTensors,
  onBytes: (done: number) => void = () => {},
  lent = false,
): AsyncGenerator<[name: string, tensor: Weight]> {
  const file = await readSafetensors(await source.openFile(name), `${source.name}/${name}`);
  try {
    expectParameters(name, file.tensors, storedParameters(parameters, quantization, file.tensors));
    const assemble = createAssembler(parameters, quantization, file.tensors);
    const hash = source.createHash(digest);
    hash.update(file.head);
    const pause = createPause();
    const memoryOf = lent ? keptMemory() : () => undefined;
    let bytes = file.head.length;
    for (const [index, entry] of file.names.entries()) {
      const tensor = await file.read(entry, memoryOf(entry));
      const { buffer, byteOffset, byteLength } = tensor.data;
      for (let at = 0; at < byteLength; at += HASHED) {
        hash.update(new Uint8Array(buffer, byteOffset + at, Math.min(HASHED, byteLength - at)));
        await pause();
      }
      bytes += byteLength;
      if (index === file.names.length - 1) expectDigest(name, { bytes, sha256: hash.digest() }, digest);
      await expectWeights(entry, tensor, pause);
      const whole = assemble(entry, tensor);
      onBytes(bytes);
      if (whole) yield whole;
    }
  } finally {
    await file.close();
  }
}

/** Memory for entries, used again: one piece for each kind of a weight's parts, which are together in memory. */
function keptMemory() {
  const kept = new Map<string, ArrayBuffer>();
  return (entry: string) => (bytes: number) => {
    const part = entry.slice(entry.lastIndexOf(".") + 1);
    let buffer = kept.get(part);
    if (!buffer || buffer.byteLength < bytes) buffer = new ArrayBuffer(bytes);
    kept.set(part, buffer);
    return new Uint8Array(buffer, 0, bytes);
  };
}
