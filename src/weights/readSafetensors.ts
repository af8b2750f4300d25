import { quote, SenseVoiceError } from "../error.ts";
import type { HostTensor } from "../tensor/host.ts";
import { type PlacedTensor, parseSafetensorsHeader, safetensorsHeaderLength, tensorFromBytes } from "./safetensors.ts";
import type { SourceFile } from "./source.ts";

/** A safetensors file, open for reading one tensor at a time. */
export interface SafetensorsFile {
  /** Names in the order of the file. */
  readonly names: readonly string[];
  readonly tensors: ReadonlyMap<string, PlacedTensor>;
  /** The bytes before the first tensor. With every tensor's bytes, in order, they are the whole file. */
  readonly head: Uint8Array;
  /** @param memory makes the room for so many bytes, at the beginning of a buffer; a new one unless given */
  read(name: string, memory?: (bytes: number) => Uint8Array<ArrayBuffer>): Promise<HostTensor>;
  close(): Promise<void>;
}

/** Reads and checks the header of a file, which the result owns. Close it when done. */
export async function readSafetensors(file: SourceFile, path: string): Promise<SafetensorsFile> {
  const { size } = file;
  try {
    const first = new Uint8Array(Math.min(8, size));
    await file.read(first, 0);
    const head = new Uint8Array(8 + safetensorsHeaderLength(first, size));
    head.set(first);
    await file.read(head.subarray(8), 8);
    const placed = parseSafetensorsHeader(head.subarray(8), size);
    const tensors = new Map(placed.map((tensor) => [tensor.name, tensor]));
    return {
      names: [...tensors.keys()],
      tensors,
      head,
      async read(name, memory = (bytes) => new Uint8Array(bytes)) {
        const tensor = tensors.get(name);
        if (!tensor) throw new SenseVoiceError(`[weights] ${path}: there is no tensor ${quote(name)}`);
        const bytes = memory(tensor.bytes);
        await file.read(bytes, tensor.position);
        return tensorFromBytes(tensor, bytes);
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
