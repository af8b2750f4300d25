import { quote, SenseVoiceError } from "../error.ts";
import { BYTES_PER_ELEMENT, type DType, elementCount, type HostTensor } from "../tensor/host.ts";
import { fieldsOf, isCounts, isObject, parseJson } from "./fields.ts";

/** What a tensor is, without its numbers. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A tensor's place in the file: `bytes` bytes from byte `position` on. */
export interface PlacedTensor extends TensorSpec {
  readonly position: number;
  readonly bytes: number;
}

const MAX_HEADER_BYTES = 2 ** 24;

// BOOL, the 64-bit integers and the 8-bit floats have no place in a model of ours.
const DTYPES: Readonly<Record<DType, string>> = {
  ...{ f64: "F64", f32: "F32", f16: "F16", bf16: "BF16" },
  ...{ i32: "I32", u32: "U32", i8: "I8", u8: "U8" },
};
const NAMES = new Map(Object.entries(DTYPES).map(([dtype, name]) => [name, dtype as DType]));

/**
 * Length N of the JSON header, from the file's first 8 bytes (little-endian u64). The tensors begin at
 * byte 8 + N. Throws unless the header fits into the file.
 */
export function safetensorsHeaderLength(firstBytes: Uint8Array, fileBytes: number): number {
  const view = new DataView(firstBytes.buffer, firstBytes.byteOffset, firstBytes.byteLength);
  const length = firstBytes.length < 8 ? Number.NaN : Number(view.getBigUint64(0, true));
  if (!(length >= 2 && length <= MAX_HEADER_BYTES && 8 + length <= fileBytes)) {
    fail(`expected a header within ${fileBytes} bytes, got a header length of ${length}`);
  }
  return length;
}

/**
 * The tensors that a safetensors header describes, in the order of their bytes. Checked: JSON, element
 * types, shapes, sizes; that no name comes twice; that the tensors fill the rest of the file without
 * holes or overlaps; that each begins at a multiple of its element size and the first at one of 8.
 * Format: https://github.com/huggingface/safetensors#format
 */
export function parseSafetensorsHeader(header: Uint8Array, fileBytes: number): PlacedTensor[] {
  const dataStart = 8 + header.length;
  if (dataStart % 8) fail(`expected the tensors to begin at a multiple of 8, got byte ${dataStart}`);
  const text = new TextDecoder().decode(header);
  const tensors: PlacedTensor[] = [];
  const entries = parseJson(text);
  if (!isObject(entries)) return fail("expected a JSON object as header");
  for (const [name, value] of Object.entries(entries)) {
    if (name !== "__metadata__") tensors.push(placedTensor(name, value, dataStart));
  }
  // JSON.parse keeps the last of two equal keys in silence; every tensor has one "data_offsets".
  if (text.split('"data_offsets"').length - 1 !== tensors.length) fail("a name comes twice in the header");
  tensors.sort((a, b) => a.position - b.position || a.bytes - b.bytes);
  let end = dataStart;
  for (const { name, position, bytes } of tensors) {
    if (position !== end) fail(`${quote(name)}: expected its data at byte ${end}, got ${position}`);
    end += bytes;
  }
  if (end !== fileBytes) fail(`expected ${end} bytes, got ${fileBytes}; the file is truncated or not ours`);
  return tensors;
}

/**
 * The first bytes of a file that will hold these tensors, header length and header, and each tensor's place.
 * Order is kept but where alignment forbids it: 8-byte elements come first, and tensors that are not whole words last.
 */
export function layoutSafetensors(specs: readonly TensorSpec[]): {
  head: Uint8Array;
  tensors: PlacedTensor[];
} {
  const width = ({ dtype }: TensorSpec) => BYTES_PER_ELEMENT[dtype];
  const wholeWords = ({ dtype, shape }: TensorSpec) => byteLength(dtype, shape) % 4 === 0;
  const rank = (spec: TensorSpec) => (width(spec) < 8 && wholeWords(spec) ? 4 : width(spec));
  const sorted = specs.toSorted((a, b) => rank(b) - rank(a));
  let end = 0;
  const entries = sorted.map(({ name, dtype, shape }): [string, object] => {
    const begin = end;
    end += byteLength(dtype, shape);
    return [name, { dtype: DTYPES[dtype], shape, data_offsets: [begin, end] }];
  });
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const head = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20, 8);
  head.set(json, 8);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  return { head, tensors: parseSafetensorsHeader(head.subarray(8), head.length + end) };
}

/** Bytes of a tensor as stored. */
export function byteLength(dtype: DType, shape: readonly number[]): number {
  return elementCount(shape) * BYTES_PER_ELEMENT[dtype];
}

const ARRAYS = {
  ...{ f64: Float64Array, f32: Float32Array, f16: Uint16Array, bf16: Uint16Array },
  ...{ i32: Int32Array, u32: Uint32Array, i8: Int8Array, u8: Uint8Array },
};

/** A tensor over its stored bytes. They must begin a buffer: nothing is copied. */
export function tensorFromBytes({ dtype, shape }: TensorSpec, bytes: Uint8Array<ArrayBuffer>): HostTensor {
  return { dtype, shape, data: new ARRAYS[dtype](bytes.buffer, 0, elementCount(shape)) };
}

function placedTensor(name: string, value: unknown, dataStart: number): PlacedTensor {
  const { dtype: type, shape, data_offsets: offsets } = fieldsOf(value);
  const shown = quote(name);
  const dtype = typeof type === "string" ? NAMES.get(type) : undefined;
  if (!dtype) return fail(`${shown}: dtype ${quote(type)} is not supported`);
  if (!isCounts(shape)) return fail(`${shown}: expected a shape of non-negative integers`);
  if (!isCounts(offsets) || offsets.length !== 2) return fail(`${shown}: expected data_offsets [begin, end]`);
  const [begin, end] = offsets;
  const bytes = byteLength(dtype, shape);
  if (end - begin !== bytes) fail(`${shown}: expected ${bytes} bytes, got data_offsets [${begin}, ${end}]`);
  if (begin % BYTES_PER_ELEMENT[dtype]) fail(`${shown}: begins at byte ${begin}, which is not aligned`);
  return { name, dtype, shape, position: dataStart + begin, bytes };
}

function fail(message: string): never {
  throw new SenseVoiceError(`[weights] safetensors: ${message}`);
}
