import { randomUUID } from "node:crypto";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SenseVoiceError } from "../error.ts";
import { hashFile } from "../weights/file.ts";
import { isRunning } from "../weights/replaceFolder.ts";

/** A file in a repository of a hub. */
export interface RemoteFile {
  readonly name: string;
  readonly url: string;
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
  return retry(url, async () => {
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
 * same file: each writes a part of its own. Throws a SenseVoiceError after five failures in a row, at once
 * when the server says that there is no such file, and when the bytes are wrong twice.
 */
export async function fetchFile(
  remote: RemoteFile,
  target: string,
  onBytes: (done: number) => void = () => {},
): Promise<void> {
  if ((await mismatch(remote, target)) === undefined) return onBytes(remote.bytes);
  const part = await claimPart(target);
  try {
    for (let wrong = 0; ; ) {
      await fetchPart(remote, part, onBytes);
      const problem = await mismatch(remote, part);
      if (problem === undefined) break;
      await rm(part);
      if (++wrong === 2) {
        throw new SenseVoiceError(`[download] ${remote.url}: ${problem}; try again later or another hub`);
      }
    }
    await rename(part, target);
  } catch (error) {
    // Without an owner in its name, the part is there for whoever comes next.
    await rename(part, `${target}.part`).catch(() => {});
    throw error;
  }
}

/** Fills the part up to the file's size, going on where it ends. */
async function fetchPart(remote: RemoteFile, part: string, onBytes: (done: number) => void): Promise<void> {
  const size = () =>
    stat(part).then(
      ({ size }) => size,
      () => 0,
    );
  let before = await size();
  await retry(
    remote.url,
    async () => {
      let done = await size();
      if (done >= remote.bytes && remote.bytes > 0) return;
      const response = await request(remote.url, done);
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
          if (done > remote.bytes) return;
        }
      } finally {
        await file.close();
      }
      if (done < remote.bytes) throw new Error(`the connection ended after ${done} of ${remote.bytes} bytes`);
    },
    async () => {
      const now = await size();
      const progress = now - before >= PROGRESS_BYTES;
      before = now;
      return progress;
    },
  );
}

/** What is wrong with a file, or undefined. */
async function mismatch({ bytes, checksum }: RemoteFile, path: string): Promise<string | undefined> {
  const size = await stat(path).then(
    ({ size }) => size,
    () => undefined,
  );
  if (size !== bytes) return `expected ${bytes} bytes, got ${size ?? "none"}`;
  if (!checksum) return undefined;
  const git = checksum.kind === "git";
  const got = await hashFile(path, git ? "sha1" : "sha256", git ? `blob ${bytes}\0` : "");
  return got === checksum.hex
    ? undefined
    : `expected ${git ? "git sha1" : "sha256"} ${checksum.hex}, got ${got}`;
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

/** Calls until it succeeds, with growing waits; gives up after ATTEMPTS failures without progress. */
async function retry<T>(
  url: string,
  attempt: () => Promise<T>,
  progressed: () => Promise<boolean> = async () => false,
): Promise<T> {
  for (let failures = 0; ; ) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof SenseVoiceError) throw error;
      failures = (await progressed()) ? 1 : failures + 1;
      if (failures === ATTEMPTS) {
        throw new SenseVoiceError(`[download] ${url}: ${reason(error)}; gave up after ${ATTEMPTS} attempts`);
      }
      await sleep(FIRST_WAIT_MS * 2 ** (failures - 1));
    }
  }
}

/** fetch says only "fetch failed"; what happened is in its cause. */
function reason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return (cause instanceof Error ? cause.message : String(cause)).split("\n")[0];
}
