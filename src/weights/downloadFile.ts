import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { reasonOf, SenseVoiceError } from "../error.ts";
import { createPause, untilAborted } from "../pause.ts";
import { type KeptFolder, noSpace, spaceLeft } from "./browserStorage.ts";
import { createQuickSum } from "./quickSum.ts";
import type { FileDigest } from "./source.ts";

// Waits of 1/4, 1/2, 1 and 2 seconds between five failures in a row.
const ATTEMPTS = 5;
const FIRST_WAIT_MS = 250;
/** A connection that brings nothing for so long is given up. */
const STALL_MS = 30_000;
/** An attempt that brought so much is no failure: over a bad line a large file may need many. */
const PROGRESS_BYTES = 2 ** 20;

export interface Download {
  readonly address: string;
  readonly digest: FileDigest;
  readonly folder: KeptFolder;
  /** Called with the bytes of the file that are there. */
  readonly onBytes: (done: number) => void;
  readonly signal?: AbortSignal;
}

/** What has come of a file. */
interface Part {
  done: number;
  readonly hash: ReturnType<typeof sha256.create>;
  readonly sum: ReturnType<typeof createQuickSum>;
}

/**
 * Fetches a file into a folder, where it appears under its SHA-256, whole and right, or not at all. What has come is
 * kept as `SHA256.part`, and a later call goes on from there.
 *
 * @returns its quick sum
 * @throws SenseVoiceError after five failures in a row, at once when the server says that there is no such file or the
 *   disk is full, and when the bytes are wrong twice
 */
export async function downloadFile(download: Download): Promise<number> {
  const { address, digest, folder, signal } = download;
  const partName = `${digest.sha256}.part`;
  let part = await hashFile(folder, partName);
  let wrong = false;
  for (let failures = 0; ; ) {
    const before = part.done;
    try {
      if (part.done !== digest.bytes) part = await fetchRest(download, part);
      const got = bytesToHex(part.hash.digest());
      if (got === digest.sha256) {
        await folder.rename(partName, digest.sha256);
        return part.sum.digest();
      }
      await folder.remove(partName);
      part = newPart();
      const problem = `expected sha256 ${digest.sha256}, got ${got}`;
      if (wrong) throw new SenseVoiceError(`[models] ${address}: ${problem}; the server's file is not the model's`);
      wrong = true;
      throw new Error(problem); // once more
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof SenseVoiceError) throw error;
      if (error instanceof DOMException && error.name === "QuotaExceededError") {
        throw noSpace(address, digest.bytes - part.done, await spaceLeft());
      }
      // What could not be written is not there, though it was hashed.
      if (((await folder.file(partName))?.size ?? 0) !== part.done) part = await hashFile(folder, partName);
      failures = part.done - before >= PROGRESS_BYTES ? 1 : failures + 1;
      if (failures === ATTEMPTS) {
        throw new SenseVoiceError(
          `[models] ${address}: ${reasonOf(error)}; gave up after ${ATTEMPTS} attempts: ${part.done} of ${digest.bytes} bytes are kept, the next call goes on from there`,
        );
      }
      await untilAborted(new Promise((resolve) => setTimeout(resolve, FIRST_WAIT_MS * 2 ** (failures - 1))), signal);
    }
  }
}

function newPart(): Part {
  return { done: 0, hash: sha256.create(), sum: createQuickSum() };
}

/** What a file of the folder holds, if there is one. */
export async function hashFile(folder: KeptFolder, name: string): Promise<Part> {
  const part = newPart();
  const file = await folder.file(name);
  const pause = createPause();
  for (let at = 0; file && at < file.size; at += PROGRESS_BYTES) {
    take(part, new Uint8Array(await file.slice(at, at + PROGRESS_BYTES).arrayBuffer()));
    await pause();
  }
  return part;
}

function take(part: Part, bytes: Uint8Array): void {
  part.hash.update(bytes);
  part.sum.update(bytes);
  part.done += bytes.length;
}

/** Appends what the server has from the part's end on. The part counts what has come also where this fails. */
async function fetchRest({ address, digest, folder, onBytes, signal }: Download, before: Part): Promise<Part> {
  const stalled = new AbortController();
  let timer = setTimeout(() => stalled.abort(), STALL_MS);
  const giveUp = () => stalled.abort();
  signal?.addEventListener("abort", giveUp, { once: true });
  try {
    const range = before.done ? { range: `bytes=${before.done}-` } : undefined;
    const response = await fetch(address, { headers: range, signal: stalled.signal, cache: "no-store" });
    const { status, body } = response;
    // Another origin's server may hide where its answer begins; then the digest tells.
    const begins = response.headers.get("content-range") ?? `bytes ${before.done}-`;
    if (status === 416 || (status === 206 && !begins.startsWith(`bytes ${before.done}-`))) {
      await folder.remove(`${digest.sha256}.part`); // it is of another file than the server has now
      Object.assign(before, newPart());
      throw new Error(`the server has no bytes from there on (HTTP ${status})`);
    }
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      throw new SenseVoiceError(`[models] ${address}: expected a file, got HTTP ${status}`);
    }
    if (!response.ok || !body) throw new Error(`HTTP ${status}`);
    const part = status === 206 ? before : Object.assign(before, newPart());
    const appender = await folder.append(`${digest.sha256}.part`, part.done);
    const pause = createPause();
    const reader = body.getReader();
    try {
      for (let step = await reader.read(); !step.done; step = await reader.read()) {
        clearTimeout(timer);
        timer = setTimeout(giveUp, STALL_MS);
        await appender.write(step.value);
        take(part, step.value);
        onBytes(part.done);
        if (part.done > digest.bytes) break; // the digest will be wrong
        await pause();
      }
    } catch (error) {
      await appender.close().catch(() => {}); // what failed first is told
      throw error;
    } finally {
      await reader.cancel().catch(() => {});
    }
    await appender.close();
    if (part.done < digest.bytes) throw new Error(`the connection ended at byte ${part.done} of ${digest.bytes}`);
    return part;
  } catch (error) {
    throw stalled.signal.aborted && !signal?.aborted ? new Error(`nothing came for ${STALL_MS / 1000} seconds`) : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", giveUp);
  }
}
