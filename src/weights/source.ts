import { SenseVoiceError } from "../error.ts";

/** The files of a model folder, beside `config.json`. */
export const WEIGHTS_FILE = "model.safetensors";
export const TOKENIZER_FILE = "tokenizer.model";

/** Where a model's files come from: a folder, HTTP, a browser's storage. */
export interface ModelSource {
  /** What to call it in messages: a path, an address. */
  readonly name: string;
  /** A whole small file. @throws SenseVoiceError if there is none, or it is larger than `limit` bytes */
  readFile(name: string, limit: number): Promise<Uint8Array>;
  /** A large file, to be read from start to end. @throws SenseVoiceError if there is none */
  openFile(name: string): Promise<SourceFile>;
  /** Whether there is such a file. */
  has(name: string): Promise<boolean>;
  /** A folder in this one. */
  folder(name: string): ModelSource;
  /** SHA-256; of this file, if given, one that may be told in a quicker way. */
  createHash(file?: FileDigest): { update(bytes: Uint8Array): unknown; digest(): string };
}

export interface SourceFile {
  readonly size: number;
  /** Fills `target` with the bytes from `position` on. From one call to the next positions only rise. */
  read(target: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/** A file's size in bytes and its SHA-256 in hexadecimal. */
export interface FileDigest {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * How far a long job is, in bytes. `task` is what it works on: "model.pt" while that is fetched, …; "tune" while kernels
 * are timed, in milliseconds of those that it may take.
 */
export interface Progress {
  readonly task: string;
  readonly done: number;
  readonly total: number;
}

/** Throws unless the file is the one that was written down in the model's config.json. */
export function expectDigest(name: string, got: FileDigest, expected: FileDigest): void {
  const sized = got.bytes === expected.bytes;
  if (sized && got.sha256 === expected.sha256) return;
  const [want, have] = sized ? [`sha256 ${expected.sha256}`, got.sha256] : [`${expected.bytes} bytes`, got.bytes];
  throw new SenseVoiceError(
    `[weights] ${name}: expected ${want}, got ${have}; the file is damaged: convert or download it again`,
  );
}
