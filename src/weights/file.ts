import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { reasonOf, SenseVoiceError } from "../error.ts";
import { parseJson } from "./fields.ts";
import type { FileDigest } from "./source.ts";

/** The error of a system call as one line: `[weights] DIR/model.pt: ENOENT: no such file or directory`. */
export function fileError(path: string, error: unknown): SenseVoiceError {
  if (error instanceof SenseVoiceError) return error;
  // The path that follows the system call may have a line break in it, and then ends there.
  const reason = reasonOf(error).replace(/, \w+( '.*)?$/, "");
  return new SenseVoiceError(`[weights] ${path}: ${reason}`, { cause: error });
}

/** Opens a regular file for reading. Close it when done. */
export async function openFile(path: string): Promise<{ file: FileHandle; size: number }> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    const stat = await file.stat();
    if (!stat.isFile()) throw new SenseVoiceError(`[weights] ${path}: expected a file`);
    return { file, size: stat.size };
  } catch (error) {
    await file?.close();
    throw fileError(path, error);
  }
}

// One read call takes at most 2 GiB.
const READ_LIMIT = 2 ** 30;

/** Fills `target` from `position` on; an error when the file ends before. */
export async function readExactly(file: FileHandle, path: string, target: Uint8Array, position: number): Promise<void> {
  for (let filled = 0; filled < target.length; ) {
    const length = Math.min(target.length - filled, READ_LIMIT);
    const { bytesRead } = await file.read(target, filled, length, position + filled);
    if (bytesRead === 0) {
      throw new SenseVoiceError(`[weights] ${path}: ends at byte ${position + filled}; the file is truncated`);
    }
    filled += bytesRead;
  }
}

/** A whole small file; one that is larger than `limit` bytes is not what it is taken for. */
export async function readSmallFile(path: string, limit: number): Promise<Uint8Array> {
  const { file, size } = await openFile(path);
  try {
    if (size > limit) {
      throw new SenseVoiceError(`[weights] ${path}: expected at most ${limit} bytes, got ${size}`);
    }
    const bytes = new Uint8Array(size);
    await readExactly(file, path, bytes, 0);
    return bytes;
  } finally {
    await file.close();
  }
}

/** A JSON file; `undefined` when there is none. */
export async function readJsonFile(path: string): Promise<unknown> {
  const bytes = await readSmallFile(path, 2 ** 24).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  const value = bytes && parseJson(new TextDecoder().decode(bytes));
  if (bytes && value === undefined) throw new SenseVoiceError(`[weights] ${path}: expected JSON`);
  return value;
}

/** Does this error, or its cause, say that there is no such file? */
export function isMissing(error: unknown): boolean {
  const cause = error instanceof SenseVoiceError ? error.cause : error;
  return cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ENOTDIR");
}

/** SHA-256 in hexadecimal, part by part. */
export function sha256() {
  const hash = createHash("sha256");
  return { update: (bytes: Uint8Array) => hash.update(bytes), digest: () => hash.digest("hex") };
}

export function digestBytes(bytes: Uint8Array): FileDigest {
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** Digest of a whole file in constant memory; `prefix` is hashed before it. */
export async function hashFile(path: string, algorithm: "sha256" | "sha1", prefix = ""): Promise<string> {
  const hash = createHash(algorithm).update(prefix);
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk);
  return hash.digest("hex");
}
