import type { FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from "yauzl";
import { quote, reasonOf, SenseVoiceError } from "../error.ts";
import { bf16ToF32, f16ToF32 } from "../tensor/f16.ts";
import { BYTES_PER_ELEMENT, elementCount, type HostTensor } from "../tensor/host.ts";
import { openFile, readExactly } from "../weights/file.ts";
import { isRef, type Pickled, readPickle, type StorageDType, type TensorRef } from "./pickle.ts";

/** A PyTorch checkpoint, open for reading one tensor at a time. */
export interface Checkpoint {
  /** Names, shapes and element types, in the order of the state_dict. */
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly dtype: StorageDType }>;
  /** One tensor as row-major f32, whatever float type and strides it was saved with. */
  read(name: string): Promise<HostTensor>;
  close(): Promise<void>;
}

// The full model's pickle has 110 KB and its archive 930 entries; with an optimiser, three times as much.
const MAX_PICKLE_BYTES = 2 ** 21;
const MAX_ENTRIES = 2 ** 16;

const BYTES: Readonly<Record<StorageDType, number>> = { ...BYTES_PER_ELEMENT, i64: 8, i16: 2, bool: 1 };

/**
 * Opens what `torch.save(state_dict)` writes since PyTorch 1.6: a zip of stored entries, `<name>/data.pkl`
 * with the structure and `<name>/data/<key>` with the numbers of one storage each. Only the structure is
 * read here. Throws a SenseVoiceError for anything else, among it a pickle that asks for code to be run.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const { file, size } = await openFile(path);
  try {
    await expectZip(file, path);
    const { zip, entries } = await listEntries(file, size, path);
    const archive = { file, path, zip, entries, checked: new Set<string>() };
    const [pickle, ...others] = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
    if (!pickle || others.length) fail(path, "expected one data.pkl in the archive: is it a PyTorch checkpoint?");
    const root = pickle.slice(0, -"data.pkl".length);
    const order = entries.has(`${root}byteorder`) ? await readEntry(archive, `${root}byteorder`, 16) : undefined;
    if (order && new TextDecoder().decode(order) !== "little") fail(path, "expected little-endian numbers");
    const tensors = stateDict(path, readPickle(await readEntry(archive, pickle, MAX_PICKLE_BYTES)));
    return {
      tensors: new Map([...tensors].map(([name, { shape, storage }]) => [name, { shape, dtype: storage.dtype }])),
      async read(name) {
        const tensor = tensors.get(name) ?? fail(path, `there is no tensor ${quote(name)}`);
        return { dtype: "f32", shape: tensor.shape, data: await readTensor(archive, root, name, tensor) };
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

interface Archive {
  readonly file: FileHandle;
  readonly path: string;
  readonly zip: ZipFile;
  readonly entries: ReadonlyMap<string, Entry>;
  /** Names of the entries whose CRC-32 was found right. */
  readonly checked: Set<string>;
}

async function expectZip(file: FileHandle, path: string): Promise<void> {
  const magic = new Uint8Array(4);
  await readExactly(file, path, magic, 0);
  if (magic[0] === 0x80 && magic[1] <= 5) {
    fail(path, "was saved in the format before PyTorch 1.6: load it and torch.save it again");
  }
  if (magic[0] !== 0x50 || magic[1] !== 0x4b) fail(path, "expected a PyTorch checkpoint (a zip archive)");
}

/** yauzl's own reader throws where nobody can catch it if an offset is beyond what a file can have. */
class FileReader extends RandomAccessReader {
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    super();
    this.#file = file;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    this.#file.read(buffer, offset, length, position).then(({ bytesRead }) => callback(null, bytesRead), callback);
  }
}

async function listEntries(
  file: FileHandle,
  size: number,
  path: string,
): Promise<{ zip: ZipFile; entries: Map<string, Entry> }> {
  const entries = new Map<string, Entry>();
  try {
    const options = { autoClose: false, lazyEntries: true };
    const zip = await fromRandomAccessReaderPromise(new FileReader(file), size, options);
    for await (const entry of zip.eachEntry()) {
      const { fileName: name } = entry;
      if (entries.has(name)) fail(path, `the archive has the entry ${quote(name)} twice`);
      if (entries.size === MAX_ENTRIES) fail(path, `the archive has more than ${MAX_ENTRIES} entries`);
      if (entry.compressionMethod !== 0 || entry.isEncrypted()) {
        fail(path, `entry ${quote(name)} is compressed or encrypted: torch.save only stores`);
      }
      entries.set(name, entry);
    }
    return { zip, entries };
  } catch (error) {
    if (error instanceof SenseVoiceError) throw error;
    return fail(path, `the archive is damaged or truncated: ${reasonOf(error)}`);
  }
}

/** Where the bytes of a stored entry begin; their CRC-32 is checked when they are first asked for. */
async function locate(archive: Archive, name: string): Promise<{ start: number; bytes: number }> {
  const { file, path, zip, entries, checked } = archive;
  const entry = entries.get(name) ?? fail(path, `the archive has no entry ${quote(name)}`);
  // yauzl checks that a stored entry has one size and lies within the file.
  const { fileDataStart: start } = await zip
    .readLocalFileHeaderPromise(entry, { minimal: true })
    .catch((error: unknown) => fail(path, `entry ${quote(name)}: ${reasonOf(error)}`));
  const bytes = entry.uncompressedSize;
  // torch can be told not to compute checksums; it then writes 0.
  if (entry.crc32 !== 0 && !checked.has(name)) {
    const chunk = new Uint8Array(Math.min(bytes, 2 ** 20));
    let crc = 0;
    for (let done = 0; done < bytes; done += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, bytes - done));
      await readExactly(file, path, part, start + done);
      crc = crc32(part, crc);
    }
    if (crc !== entry.crc32) fail(path, `entry ${quote(name)} does not match its checksum; the file is damaged`);
    checked.add(name);
  }
  return { start, bytes };
}

async function readEntry(archive: Archive, name: string, limit: number): Promise<Uint8Array> {
  const { start, bytes } = await locate(archive, name);
  if (bytes > limit) fail(archive.path, `entry ${quote(name)}: expected at most ${limit} bytes, got ${bytes}`);
  const data = new Uint8Array(bytes);
  await readExactly(archive.file, archive.path, data, start);
  return data;
}

/** The parameters by name, out of the wrappers and the "module." prefix that training scripts put around. */
function stateDict(path: string, root: Pickled): Map<string, TensorRef> {
  let dict = root;
  for (const wrapper of ["state_dict", "model_state_dict", "model"]) {
    if (dict instanceof Map) dict = dict.get(wrapper) ?? dict;
  }
  if (!(dict instanceof Map)) return fail(path, "expected a state_dict, a dict of names and tensors");
  const tensors = new Map<string, TensorRef>();
  for (const [key, value] of dict) {
    if (typeof key !== "string" || !isRef(value, "tensor")) {
      return fail(path, `expected a state_dict of tensors, got another value at ${quote(key)}`);
    }
    const name = key.replace(/^module\./, "");
    if (tensors.has(name)) fail(path, `the state_dict has the name ${quote(name)} twice`);
    tensors.set(name, value);
  }
  return tensors;
}

async function readTensor(archive: Archive, root: string, name: string, tensor: TensorRef): Promise<Float32Array> {
  const { storage, offset, shape, stride } = tensor;
  const size = BYTES[storage.dtype];
  const count = elementCount(shape);
  const { start, bytes } = await locate(archive, `${root}data/${storage.key}`);
  if (bytes !== storage.elements * size) {
    fail(archive.path, `${quote(name)}: expected a storage of ${storage.elements * size} bytes, got ${bytes}`);
  }
  // Elements from the view's first to its last; an expanded view (stride 0) would have more than there are.
  const span = count === 0 ? 0 : shape.reduce((last, n, axis) => last + (n - 1) * stride[axis], 1);
  if (count > span || !(offset + span <= storage.elements)) {
    fail(archive.path, `${quote(name)}: shape [${shape}] with strides [${stride}] does not fit its storage`);
  }
  const data = new Uint8Array(span * size);
  await readExactly(archive.file, archive.path, data, start + offset * size);
  const values = toF32(archive.path, name, storage.dtype, data.buffer);
  return isContiguous(shape, stride) ? values : gather(values, shape, stride);
}

function toF32(path: string, name: string, dtype: StorageDType, buffer: ArrayBuffer): Float32Array {
  if (dtype === "f64") return Float32Array.from(new Float64Array(buffer));
  if (dtype === "f32") return new Float32Array(buffer);
  if (dtype === "f16") return f16ToF32(new Uint16Array(buffer));
  if (dtype === "bf16") return bf16ToF32(new Uint16Array(buffer));
  return fail(path, `${quote(name)}: expected a float tensor, got ${dtype}`);
}

function isContiguous(shape: readonly number[], stride: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && stride[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}

/** Row-major copy of a strided view: out[i, j, …] = values[i·stride₀ + j·stride₁ + …]. */
function gather(values: Float32Array, shape: readonly number[], stride: readonly number[]): Float32Array {
  const out = new Float32Array(elementCount(shape));
  const index = shape.map(() => 0);
  let position = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = values[position];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position += stride[axis];
      if (++index[axis] < shape[axis]) break;
      position -= stride[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

function fail(path: string, message: string): never {
  throw new SenseVoiceError(`[weights] ${path}: ${message}`);
}
