import { randomUUID } from "node:crypto";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { reasonOf, SenseVoiceError } from "../error.ts";
import { hashFile } from "../weights/file.ts";
import { isRunning } from "../weights/replaceFolder.ts";

/** A file in a repository of a hub. */
export interface RemoteFile {
  readonly name: string;
  /** Addresses of the file; the next is tried when one fails. */
  readonly urls: readonly string[];
  readonly bytes: number;
  /** SHA-256 of the file, or git's SHA-1 of `blob <bytes>\0` and the file, as the hub states it. */
  readonly checksum?: { readonly kind: "sha256" | "git"; readonly hex: string };
}

// Waits of 1/4, 1/2, 1 and 2 seconds between five failures in a row.
const ATTEMPTS = 5;
const FIRST_WAIT_MS = 250;
/** A connection that brings nothing for so long is given up. */
const STALL_MS = 30_000;
/** An attempt that brought so much is no failure: over a bad line a large file may need many. */
const PROGRESS_BYTES = 2 ** 20;
const MAX_TEXT_BYTES = 2 ** 24;

/** A small text, with the same retries as a file. */
export async function fetchText(url: string): Promise<string> {
  return retry([url], async () => {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of body(await request(url, 0))) {
      parts.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_TEXT_BYTES) {
        throw new SenseVoiceError(`[download] ${url}: expected at most ${MAX_TEXT_BYTES} bytes`);
      }
    }
    return new TextDecoder().decode(Buffer.concat(parts));
  });
}

/**
 * Fetches a file to `target`, which appears whole, its size and checksum right, or not at all. What has
 * come is kept beside it as `.part`, and a later call goes on from there. Several processes may fetch the
 * same file: each writes a part of its own. An address is given up after five failures in a row, at once
 * when the server says that there is no such file, and when the bytes are wrong twice. Throws a SenseVoiceError
 * with what happened at each address when none is left.
 */
export async function fetchFile(
  remote: RemoteFile,
  target: string,
  onBytes: (done: number) => void = () => {},
): Promise<void> {
  if ((await mismatch(remote, target)) === undefined) return onBytes(remote.bytes);
  const part = await claimPart(target);
  try {
    await fetchPart(remote, part, onBytes);
    await rename(part, target);
  } catch (error) {
    // Without an owner in its name, the part is there for whoever comes next.
    await rename(part, `${target}.part`).catch(() => {});
    throw error;
  }
}

/** Makes the part the whole file, going on where it ends. */
async function fetchPart(remote: RemoteFile, part: string, onBytes: (done: number) => void): Promise<void> {
  const size = async () => (await sizeOf(part)) ?? 0;
  let before = await size();
  let wrongFrom = "";
  await retry(
    remote.urls,
    async (url) => {
      let done = await size();
      if (done < remote.bytes || remote.bytes === 0) {
        const response = await request(url, done);
        if (response.status === 416) {
          await rm(part); // it is of another file than the server has now
          throw new Error(`the server has no bytes from ${done} on`);
        }
        if (response.status === 200) done = 0; // the server sends everything
        const file = await open(part, done ? "r+" : "w");
        try {
          for await (const chunk of body(response)) {
            await file.write(chunk, 0, chunk.length, done);
            done += chunk.length;
            onBytes(done);
            if (done > remote.bytes) break;
          }
        } finally {
          await file.close();
        }
        if (done < remote.bytes) throw new Error(`the connection ended after ${done} of ${remote.bytes} bytes`);
      }
      const problem = await mismatch(remote, part);
      if (problem === undefined) return;
      await rm(part);
      if (wrongFrom !== url) {
        wrongFrom = url;
        throw new Error(problem); // once more
      }
      throw new SenseVoiceError(`[download] ${url}: ${problem}; try again later or another hub`);
    },
    async () => {
      const now = await size();
      const progress = now - before >= PROGRESS_BYTES;
      before = now;
      return progress;
    },
  );
}

const sizeOf = async (path: string) => (await stat(path).catch(() => undefined))?.size;

/** What is wrong with a file, or undefined. */
async function mismatch({ bytes, checksum }: RemoteFile, path: string): Promise<string | undefined> {
  const size = await sizeOf(path);
  if (size !== bytes) return `expected ${bytes} bytes, got ${size ?? "none"}`;
  if (!checksum) return undefined;
  const git = checksum.kind === "git";
  const got = await hashFile(path, git ? "sha1" : "sha256", git ? `blob ${bytes}\0` : "");
  return got === checksum.hex ? undefined : `expected ${git ? "git sha1" : "sha256"} ${checksum.hex}, got ${got}`;
}

/**
 * A part of our own to write: one that a process which is no more has left, or a new one. Renaming is
 * atomic, so of two processes that want the same leftover one gets it.
 */
async function claimPart(target: string): Promise<string> {
  const mine = `${target}.${process.pid}-${randomUUID()}.part`;
  for (const name of await readdir(dirname(target))) {
    if (!name.startsWith(`${basename(target)}.`) || !name.endsWith(".part")) continue;
    const owner = /\.(\d+)-[0-9a-f-]+\.part$/.exec(name)?.[1];
    if (owner && isRunning(Number(owner))) continue;
    if (
      await rename(join(dirname(target), name), mine).then(
        () => true,
        () => false,
      )
    )
      break;
  }
  return mine;
}

/** Asks for the bytes from `offset` on: status 200, 206 or 416. A SenseVoiceError where no retry can help. */
async function request(url: string, offset: number): Promise<Response> {
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), STALL_MS);
  const response = await fetch(url, {
    // Compressed answers would have other offsets and sizes.
    headers: { "accept-encoding": "identity", ...(offset ? { range: `bytes=${offset}-` } : {}) },
    signal: stalled.signal,
  }).finally(() => clearTimeout(timer));
  const { status } = response;
  const range = response.headers.get("content-range");
  if (status === 200 || (status === 206 && range?.startsWith(`bytes ${offset}-`))) return response;
  await response.body?.cancel();
  if (offset && (status === 416 || status === 206)) return new Response(null, { status: 416 });
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    const absent = [401, 403, 404].includes(status) ? ": not found or not public" : "";
    throw new SenseVoiceError(`[download] ${url}: HTTP ${status}${absent}`);
  }
  throw new Error(`HTTP ${status}`);
}

/** The chunks of a response; an error when none comes for STALL_MS. */
async function* body(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (!reader) return;
  let stalled = false;
  const timer = setTimeout(() => {
    stalled = true;
    reader.cancel().catch(() => {});
  }, STALL_MS);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (stalled) throw new Error(`nothing came for ${STALL_MS / 1000} seconds`);
      if (done) return;
      timer.refresh();
      yield value;
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => {});
  }
}

/**
 * Calls until it succeeds, with growing waits. After ATTEMPTS failures without progress, or a SenseVoiceError, the next
 * address is tried. Throws with what happened at each when none is left.
 */
async function retry<T>(
  urls: readonly string[],
  attempt: (url: string) => Promise<T>,
  progressed: () => Promise<boolean> = async () => false,
): Promise<T> {
  const problems: string[] = [];
  for (let failures = 0; problems.length < urls.length; ) {
    const url = urls[problems.length];
    try {
      return await attempt(url);
    } catch (error) {
      failures = (await progressed()) ? 1 : failures + 1;
      if (!(error instanceof SenseVoiceError) && failures < ATTEMPTS) {
        await sleep(FIRST_WAIT_MS * 2 ** (failures - 1));
        continue;
      }
      const gaveUp = `[download] ${url}: ${reasonOf(causeOf(error))}; gave up after ${ATTEMPTS} attempts`;
      problems.push(error instanceof SenseVoiceError ? error.message : gaveUp);
      failures = 0;
    }
  }
  throw new SenseVoiceError(problems.join("; then "));
}

/** fetch says only "fetch failed"; what happened is in its cause. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? error.cause : error;
}
