import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { reasonOf, SenseVoiceError } from "../error.ts";
import { fieldsOf, isObject, parseJson } from "./fields.ts";

/** Models in a browser's private file system (OPFS), a folder each. */

const ROOT = "sensevoice-models";
const RECORD = "model.json";

/** A model that this origin keeps. */
export interface KeptModel {
  /** What `createEngine` takes as `model`. */
  readonly name: string;
  /** What it takes of the disk, what has come of it so far included. */
  readonly bytes: number;
  /** When it was fetched, or fetching it began. */
  readonly date: Date;
  /** Whether all of it is there. */
  readonly whole: boolean;
  /** What it is: `"sensevoice"`, `"sensevoice-vad"`, `"sensevoice-speaker"`; not known of one that is not whole. */
  readonly kind?: string;
}

/** What a folder says of its model. Its files are named by their SHA-256, so a new version lies beside an old one. */
export interface KeptRecord {
  readonly name: string;
  readonly address: string;
  readonly date: string;
  /** The texts of config.json and of vad/config.json; none as long as files are missing. */
  readonly configs: Readonly<Record<string, string>>;
  /** The quick sums of the files by their SHA-256. */
  readonly sums: Readonly<Record<string, number>>;
}

/** The models that this origin keeps; none where the browser has no storage. */
export async function listModels(): Promise<KeptModel[]> {
  const models: KeptModel[] = [];
  const root = await openStorage();
  if (!root) return models;
  for await (const handle of entriesOf(root)) {
    if (handle.kind !== "directory") continue;
    const folder = new KeptFolder(handle as FileSystemDirectoryHandle);
    const record = await folder.record();
    if (!record) continue;
    const { name, date, configs } = record;
    const { format: kind } = fieldsOf(parseJson(configs["config.json"] ?? "") ?? {});
    const whole = "config.json" in configs;
    models.push({ name, bytes: await folder.bytes(), date: new Date(date), whole, ...(isText(kind) && { kind }) });
  }
  return models;
}

/**
 * Gives back what a model takes of the disk. Waits for other tabs that are loading it.
 *
 * @returns whether there was such a model
 */
export async function removeModel(name: string): Promise<boolean> {
  return locked(name, "exclusive", async () => {
    const root = await openStorage();
    const removed = root?.removeEntry(idOf(name), { recursive: true });
    return removed === undefined ? false : removed.then(() => true).catch(notFound(false));
  });
}

/** Where models are kept; undefined where a browser has nothing of the kind, or does not allow it. */
export async function openStorage(): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return await (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });
  } catch {
    return undefined;
  }
}

/** Files of JSON beside the models: which kernels are the fastest in this browser. */
export function tuningStorage(root: FileSystemDirectoryHandle) {
  return {
    version: navigator.userAgent,
    async read(name: string): Promise<unknown> {
      try {
        return parseJson(await (await (await root.getFileHandle(`tuning-${name}`)).getFile()).text());
      } catch {
        return undefined; // it can be made anew
      }
    },
    /** The file changes when it is closed, and not before. */
    async write(name: string, value: object): Promise<void> {
      const file = await (await root.getFileHandle(`tuning-${name}`, { create: true })).createWritable();
      await file.write(JSON.stringify(value));
      await file.close();
    },
  };
}

/** Runs alone, or beside others that share, of all tabs of this origin. */
export async function locked<R>(
  name: string,
  mode: "exclusive" | "shared",
  run: () => Promise<R>,
  signal?: AbortSignal,
): Promise<R> {
  if (!navigator.locks) return run();
  return navigator.locks.request(`sensevoice model ${name}`, { mode, signal }, run) as Promise<R>;
}

const isText = (value: unknown): value is string => typeof value === "string";

const idOf = (name: string) => bytesToHex(sha256(utf8ToBytes(name))).slice(0, 32);

/** What not every browser has, and TypeScript does not know. */
interface FileHandle extends FileSystemFileHandle {
  move(name: string): Promise<void>;
  createSyncAccessHandle?(): Promise<{
    write(bytes: Uint8Array, options: { at: number }): number;
    truncate(size: number): void;
    close(): void;
  }>;
}

/** A file that is being written, from its end on. */
export interface Appender {
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** What was written stays only if this is called. */
  close(): Promise<void>;
}

/** The folder of one model. */
export class KeptFolder {
  readonly #dir: FileSystemDirectoryHandle;

  constructor(dir: FileSystemDirectoryHandle) {
    this.#dir = dir;
  }

  static async open(root: FileSystemDirectoryHandle, name: string): Promise<KeptFolder> {
    return new KeptFolder(await root.getDirectoryHandle(idOf(name), { create: true }));
  }

  static async find(root: FileSystemDirectoryHandle, name: string): Promise<KeptFolder | undefined> {
    return root.getDirectoryHandle(idOf(name)).then((dir) => new KeptFolder(dir), notFound(undefined));
  }

  /** Undefined if there is none, or it is damaged. */
  async record(): Promise<KeptRecord | undefined> {
    const text = await this.file(RECORD).then((file) => file?.text());
    const json = text === undefined ? undefined : parseJson(text);
    if (!isObject(json) || !isObject(json.configs) || !isObject(json.sums)) return undefined;
    const texts = [json.name, json.address, json.date, ...Object.values(json.configs)];
    return texts.every((value) => typeof value === "string") ? (json as unknown as KeptRecord) : undefined;
  }

  async writeRecord(record: KeptRecord): Promise<void> {
    await this.remove(`${RECORD}.part`);
    const part = await this.append(`${RECORD}.part`, 0);
    await part.write(new TextEncoder().encode(JSON.stringify(record)));
    await part.close();
    await this.rename(`${RECORD}.part`, RECORD);
  }

  async file(name: string): Promise<File | undefined> {
    return this.#dir.getFileHandle(name).then((handle) => handle.getFile(), notFound(undefined));
  }

  async remove(name: string): Promise<void> {
    await this.#dir.removeEntry(name).catch(notFound(undefined));
  }

  async rename(from: string, to: string): Promise<void> {
    await ((await this.#dir.getFileHandle(from)) as FileHandle).move(to);
  }

  /** Opens a file, a new one if there is none, to write from byte `end` on. */
  async append(name: string, end: number): Promise<Appender> {
    const handle = (await this.#dir.getFileHandle(name, { create: true })) as FileHandle;
    // Workers have the better way: what is written is there at once, also if the tab is closed.
    if (handle.createSyncAccessHandle) {
      const access = await handle.createSyncAccessHandle();
      access.truncate(end);
      let at = end;
      return {
        async write(bytes) {
          const written = access.write(bytes, { at });
          if (written < bytes.length) throw new DOMException("the disk is full", "QuotaExceededError");
          at += written;
        },
        close: async () => access.close(),
      };
    }
    const stream = await handle.createWritable({ keepExistingData: true });
    await stream.truncate(end);
    await stream.seek(end);
    return { write: (bytes) => stream.write(bytes), close: () => stream.close() };
  }

  async names(): Promise<string[]> {
    const names = [];
    for await (const { name } of entriesOf(this.#dir)) names.push(name);
    return names;
  }

  async bytes(): Promise<number> {
    let bytes = 0;
    for (const name of await this.names()) bytes += (await this.file(name))?.size ?? 0;
    return bytes;
  }
}

/** The line for a disk that is full. */
export function noSpace(name: string, needed: number, left: number): SenseVoiceError {
  const [need, have] = [Math.ceil(needed / 1e6), Math.floor(Math.max(0, left) / 1e6)];
  return new SenseVoiceError(
    `[models] ${name}: expected ${need} MB of space to keep it, the browser leaves ${have} MB: remove other models, free space on the disk, or pass keep: false`,
  );
}

/** Bytes that the browser leaves to this origin. */
export async function spaceLeft(): Promise<number> {
  const { quota = Number.POSITIVE_INFINITY, usage = 0 } = (await navigator.storage.estimate?.()) ?? {};
  return quota - usage;
}

function entriesOf(dir: FileSystemDirectoryHandle): AsyncIterable<FileSystemHandle> {
  return (dir as unknown as { values(): AsyncIterable<FileSystemHandle> }).values();
}

/** `value` where there is no such file; any other error as one line. */
function notFound<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof DOMException && error.name === "NotFoundError") return value;
    throw new SenseVoiceError(`[models] the browser's storage: ${reasonOf(error)}`);
  };
}
