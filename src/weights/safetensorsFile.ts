import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { SenseVoiceError } from "../error.ts";
import { expectShape, type HostTensor } from "../tensor/host.ts";
import { fileError, openFile, readExactly } from "./file.ts";
import { readSafetensors, type SafetensorsFile } from "./readSafetensors.ts";
import { layoutSafetensors, type TensorSpec } from "./safetensors.ts";
import type { FileDigest } from "./source.ts";

/** Opens a file on disk. Close it when done. */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const { file, size } = await openFile(path);
  const read = (target: Uint8Array, position: number) => readExactly(file, path, target, position);
  return readSafetensors({ size, read, close: () => file.close() }, path).catch((error: unknown) => {
    throw fileError(path, error);
  });
}

/**
 * Writes a new safetensors file, asking `read` for each tensor as its turn comes: one tensor in memory at
 * a time. Returns the file's size and SHA-256, computed on the way.
 */
export async function writeSafetensors(
  path: string,
  specs: readonly TensorSpec[],
  read: (spec: TensorSpec) => Promise<HostTensor>,
): Promise<FileDigest> {
  const { head, tensors } = layoutSafetensors(specs);
  const hash = createHash("sha256").update(head);
  let bytes = head.length;
  const file = await open(path, "wx").catch((error: unknown) => {
    throw fileError(path, error);
  });
  try {
    await file.writeFile(head);
    for (const spec of tensors) {
      const { dtype, shape, data } = await read(spec);
      expectShape("weights", spec.name, shape, spec.shape);
      if (dtype !== spec.dtype) {
        throw new SenseVoiceError(`[weights] ${spec.name}: expected ${spec.dtype}, got ${dtype}`);
      }
      const chunk = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      hash.update(chunk);
      await file.writeFile(chunk);
      bytes += chunk.length;
    }
    return { bytes, sha256: hash.digest("hex") };
  } catch (error) {
    throw fileError(path, error);
  } finally {
    await file.close();
  }
}
