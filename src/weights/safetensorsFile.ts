import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { quote, SenseVoiceError } from "../error.ts";
import { expectShape, type HostTensor } from "../tensor/host.ts";
import { type FileDigest, fileError, openFile, readExactly } from "./file.ts";
import {
  layoutSafetensors,
  type PlacedTensor,
  parseSafetensorsHeader,
  safetensorsHeaderLength,
  type TensorSpec,
  tensorFromBytes,
} from "./safetensors.ts";

/** A safetensors file, open for reading one tensor at a time. */
export interface SafetensorsFile {
  /** Names in the order of the file. */
  readonly names: readonly string[];
  readonly tensors: ReadonlyMap<string, PlacedTensor>;
  /** The bytes before the first tensor. With every tensor's bytes, in order, they are the whole file. */
  readonly head: Uint8Array;
  read(name: string): Promise<HostTensor>;
  close(): Promise<void>;
}

/** Opens a file, reads and checks its header. Close it when done. */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const { file, size } = await openFile(path);
  try {
    const first = new Uint8Array(Math.min(8, size));
    await readExactly(file, path, first, 0);
    const head = new Uint8Array(8 + safetensorsHeaderLength(first, size));
    await readExactly(file, path, head, 0);
    const placed = parseSafetensorsHeader(head.subarray(8), size);
    const tensors = new Map(placed.map((tensor) => [tensor.name, tensor]));
    return {
      names: [...tensors.keys()],
      tensors,
      head,
      async read(name) {
        const tensor = tensors.get(name);
        if (!tensor) throw new SenseVoiceError(`[weights] ${path}: there is no tensor ${quote(name)}`);
        const bytes = new Uint8Array(tensor.bytes);
        await readExactly(file, path, bytes, tensor.position);
        return tensorFromBytes(tensor, bytes);
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw fileError(path, error);
  }
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
