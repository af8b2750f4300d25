import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SenseVoiceError } from "../error.ts";
import type { QuantizedTensor } from "../tensor/quantized.ts";
import { parseJson } from "../weights/fields.ts";
import { digestBytes, fileError, readExactly } from "../weights/file.ts";
import { follow, makeFolders } from "../weights/place.ts";
import { isRunning } from "../weights/replaceFolder.ts";

/** Changes when what is kept would not be made again in the same way. */
const VERSION = 1;

/** What has been computed for a model folder, kept beside it until the folder is written. */
export interface Job {
  /** By the name of the layer's weight. */
  readonly losses: ReadonlyMap<string, number>;
  readonly errors: ReadonlyMap<string, readonly number[]>;
  /** Names of the weights that are done. */
  readonly done: ReadonlySet<string>;
  addLoss(name: string, loss: number): void;
  addErrors(name: string, errors: readonly number[]): void;
  addTensor(name: string, tensor: QuantizedTensor): Promise<void>;
  /** The tensor of a name that is done. */
  tensor(name: string): Promise<QuantizedTensor>;
  close(): Promise<void>;
  /** Removes it: all is in the model folder. */
  remove(): void;
}

/** A line of the journal: one result. */
interface Line {
  readonly job?: string;
  readonly name?: string;
  readonly loss?: number;
  readonly errors?: readonly number[];
  readonly tensor?: Stored;
}

/** Where a tensor's arrays lie in the file, one after another, and all else of it. */
interface Stored {
  readonly at: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly arrays: Readonly<Record<string, { readonly type: keyof typeof ARRAYS; readonly length: number }>>;
  readonly fields: Readonly<Record<string, unknown>>;
}

const ARRAYS = { Uint8Array, Int8Array, Uint16Array, Uint32Array, Float32Array };

/**
 * Opens the job of a model folder that is to be written: `.NAME.quantise` beside it holds a journal, a line of JSON for
 * each result, and a file of tensors. A result counts if its line and its bytes are whole; what a crash tore is made
 * again.
 *
 * @param about all that the results depend on
 * @param resume goes on with what is there; without it the job begins anew
 * @throws SenseVoiceError if what is there is about something else, or another process is at it
 */
export async function openJob(target: string, about: unknown, resume: boolean): Promise<Job> {
  const place = follow(target);
  const folder = join(dirname(place), `.${basename(place)}.quantise`);
  const [journal, data, owner] = ["journal.jsonl", "tensors.bin", "pid"].map((name) => join(folder, name));
  const key = digestBytes(new TextEncoder().encode(JSON.stringify([VERSION, about]))).sha256;
  try {
    const pid = existsSync(owner) ? Number(readFileSync(owner, "utf8")) : 0;
    if (pid > 0 && pid !== process.pid && isRunning(pid)) {
      throw new SenseVoiceError(`[quant] ${target}: process ${pid} is quantising to this folder`);
    }
    if (!resume) rmSync(folder, { recursive: true, force: true });
    makeFolders(dirname(place));
    mkdirSync(folder, { recursive: true });
    writeFileSync(owner, `${process.pid}`);
    const lines = existsSync(journal) ? linesOf(readFileSync(journal, "utf8")) : [];
    const begun = lines.find(({ job }) => job !== undefined);
    if (begun && begun.job !== key) {
      rmSync(owner);
      throw new SenseVoiceError(
        `[quant] --resume: ${target} was begun from another model, other sound or settings: leave --resume out to begin anew`,
      );
    }
    if (!begun) writeFileSync(journal, JSON.stringify({ job: key }));
    const file = await open(data, existsSync(data) ? "r+" : "w+");
    return await createJob({ folder, journal, data, owner }, file, begun ? lines : []);
  } catch (error) {
    throw fileError(folder, error);
  }
}

interface Paths {
  readonly folder: string;
  readonly journal: string;
  readonly data: string;
  readonly owner: string;
}

async function createJob({ folder, journal, data, owner }: Paths, file: FileHandle, lines: Line[]): Promise<Job> {
  const losses = new Map<string, number>();
  const errors = new Map<string, readonly number[]>();
  const stored = new Map<string, Stored>();
  let end = 0;
  for (const { name, loss, errors: of, tensor } of lines) {
    if (name === undefined) continue;
    if (loss !== undefined) losses.set(name, loss);
    if (of) errors.set(name, of);
    if (!tensor) continue;
    const bytes = await readBytes(tensor).catch(() => undefined);
    if (!bytes || digestBytes(bytes).sha256 !== tensor.sha256) continue;
    stored.set(name, tensor);
    end = Math.max(end, tensor.at + tensor.bytes);
  }
  await file.truncate(end);

  async function readBytes({ at, bytes }: Stored): Promise<Uint8Array<ArrayBuffer>> {
    const target = new Uint8Array(bytes);
    await readExactly(file, data, target, at);
    return target;
  }
  /** A line that was cut off by a crash ends where this one begins. */
  const write = (line: Line) => {
    try {
      appendFileSync(journal, `\n${JSON.stringify(line)}`);
    } catch (error) {
      throw fileError(journal, error);
    }
  };
  const done = new Set(stored.keys());
  return {
    ...{ losses, errors, done },
    addLoss(name, loss) {
      write({ name, loss });
      losses.set(name, loss);
    },
    addErrors(name, of) {
      write({ name, errors: of });
      errors.set(name, of);
    },
    async addTensor(name, tensor) {
      const { bytes, arrays, fields } = flatten(tensor);
      const line = { at: end, bytes: bytes.length, sha256: digestBytes(bytes).sha256, arrays, fields };
      await file.write(bytes, 0, bytes.length, end).catch((error) => {
        throw fileError(data, error);
      });
      write({ name, tensor: line });
      end += bytes.length;
      stored.set(name, line);
      done.add(name);
    },
    async tensor(name) {
      const place = stored.get(name);
      if (!place) throw new Error(`${name} is not done`);
      return unflatten(place, await readBytes(place));
    },
    async close() {
      await file.close();
      rmSync(owner, { force: true });
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The whole lines of a journal. */
function linesOf(text: string): Line[] {
  return text.split("\n").flatMap((line) => {
    const value = parseJson(line);
    return typeof value === "object" && value !== null ? [value as Line] : [];
  });
}

function flatten(tensor: QuantizedTensor): Pick<Stored, "arrays" | "fields"> & { bytes: Uint8Array } {
  const isArray = (value: unknown) => ArrayBuffer.isView(value);
  const entries = Object.entries(tensor).filter(([, value]) => value !== undefined);
  const arrays = entries.filter(([, value]) => isArray(value));
  const parts = arrays.map(([, { buffer, byteOffset, byteLength }]) => new Uint8Array(buffer, byteOffset, byteLength));
  return {
    bytes: Buffer.concat(parts),
    arrays: Object.fromEntries(
      arrays.map(([key, value]) => [
        key,
        { type: value.constructor.name as keyof typeof ARRAYS, length: value.length },
      ]),
    ),
    fields: Object.fromEntries(entries.filter(([, value]) => !isArray(value))),
  };
}

function unflatten({ arrays, fields }: Stored, bytes: Uint8Array<ArrayBuffer>): QuantizedTensor {
  let at = 0;
  const read = Object.entries(arrays).map(([key, { type, length }]) => {
    const end = at + length * ARRAYS[type].BYTES_PER_ELEMENT;
    const part = bytes.slice(at, end).buffer;
    at = end;
    return [key, new ARRAYS[type](part)];
  });
  return { ...fields, ...Object.fromEntries(read) } as QuantizedTensor;
}
