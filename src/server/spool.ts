import { createHash, randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRunning } from "../weights/replaceFolder.ts";
import { HttpError } from "./httpError.ts";

/** How the content of an upload is named. */
export const HASHES = ["md5", "sha256"] as const;

/** Bytes of an upload that is small: nothing is done with it before its end. */
export const SMALL = 2 ** 23;

/** How much of an upload is there. */
export interface Growth {
  readonly size: number;
  readonly ended: boolean;
}

/** A folder for uploads that goes with the process. */
export class SpoolFolder {
  readonly #dir: string;
  readonly #maxBytes: number;
  readonly #hash: string;

  constructor({ maxBytes, hash }: { readonly maxBytes: number; readonly hash: (typeof HASHES)[number] }) {
    sweep();
    this.#dir = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
    this.#maxBytes = maxBytes;
    this.#hash = hash;
  }

  async create(): Promise<Spool> {
    const path = join(this.#dir, randomUUID());
    return new Spool(path, await open(path, "wx", 0o600), this.#maxBytes, this.#hash);
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

const PREFIX = "sensevoice-uploads-";

/** Removes the folders of processes that were killed. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN;
    if (!(pid > 0) || isRunning(pid)) continue;
    try {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    } catch {
      // another user's
    }
  }
}

/** An upload in a file, which is read while it is still written. */
export class Spool {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #maxBytes: number;
  readonly #hash;
  #size = 0;
  #digest: string | undefined;
  #listeners: (() => void)[] = [];

  /** @internal Use SpoolFolder.create. */
  constructor(path: string, file: FileHandle, maxBytes: number, hash: string) {
    this.path = path;
    this.#file = file;
    this.#maxBytes = maxBytes;
    this.#hash = createHash(hash);
  }

  get growth(): Growth {
    return { size: this.#size, ended: this.#digest !== undefined };
  }

  /** Of the whole content, in hexadecimal; only once it has ended. */
  get digest(): string {
    if (this.#digest === undefined) throw new Error("the upload has not ended");
    return this.#digest;
  }

  /** @throws HttpError 413 once it is more than is allowed */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#size + chunk.length > this.#maxBytes) throw tooLarge(this.#maxBytes);
    this.#hash.update(chunk);
    await this.#file.writeFile(chunk);
    this.#size += chunk.length;
    this.#grown();
  }

  end(): void {
    this.#digest = this.#hash.digest("hex");
    this.#grown();
  }

  /** Calls `listener` whenever there is more, and at the end. */
  onGrowth(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async remove(): Promise<void> {
    this.#listeners = [];
    await this.#file.close();
    await rm(this.path, { force: true });
  }

  #grown(): void {
    for (const listener of this.#listeners) listener();
  }
}

export function tooLarge(maxBytes: number): HttpError {
  const limit = `expected at most ${maxBytes} bytes`;
  return new HttpError(413, `file: ${limit}, got more`, { param: "file", code: "file_too_large" });
}
