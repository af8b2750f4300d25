import { SenseVoiceError } from "../../error.ts";

/**
 * Reads the part of a SentencePiece `.model` that a unigram tokenizer needs. The file is one protobuf message,
 * `ModelProto` of sentencepiece_model.proto: repeated pieces (1), trainer_spec (2), normalizer_spec (3).
 */

/** `ModelProto.SentencePiece.Type`. */
export const PieceType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface Piece {
  readonly text: string;
  /** Log-probability of the piece, a float32. */
  readonly score: number;
  /** One of PieceType. */
  readonly type: number;
}

/** What is done to a text before it is cut into pieces (`NormalizerSpec`). */
export interface NormalizerSpec {
  readonly addDummyPrefix: boolean;
  readonly removeExtraWhitespaces: boolean;
  readonly escapeWhitespaces: boolean;
}

export interface SentencePieceModel {
  readonly pieces: readonly Piece[];
  /** What an unknown piece decodes to. */
  readonly unkSurface: string;
  readonly normalizer: NormalizerSpec;
}

const UNIGRAM = 1;
const MODEL_TYPES = ["?", "unigram", "bpe", "word", "char"];

/**
 * Parses a `.model` file. Throws a SenseVoiceError if the bytes are not such a file, are cut short, or hold a
 * model other than a unigram with the identity normaliser (which is what SenseVoice has).
 */
export function parseSentencePieceModel(bytes: Uint8Array): SentencePieceModel {
  const pieces: Piece[] = [];
  let trainer: Uint8Array | undefined;
  let normalizer: Uint8Array | undefined;
  for (const field of protobufFields(bytes)) {
    if (field.number === 1) pieces.push(parsePiece(bytesOf(field), pieces.length));
    else if (field.number === 2) trainer = bytesOf(field);
    else if (field.number === 3) normalizer = bytesOf(field);
    else if (field.number === 5) parseNormalizer(bytesOf(field), "denormalizer_spec");
  }
  if (pieces.length === 0) throw fail("expected pieces, got none");
  // The two specs follow the pieces: a file cut between two pieces is a valid message that lacks them.
  if (!trainer) throw fail("expected a trainer_spec after the pieces, got none: is the file cut short?");
  if (!normalizer) throw fail("expected a normalizer_spec after the pieces, got none: is the file cut short?");
  return { pieces, ...parseTrainer(trainer), normalizer: parseNormalizer(normalizer, "normalizer_spec") };
}

function parsePiece(bytes: Uint8Array, index: number): Piece {
  let text = "";
  let score = 0;
  let type: number = PieceType.normal;
  for (const field of protobufFields(bytes)) {
    if (field.number === 1) text = utf8(bytesOf(field), `piece ${index}`);
    else if (field.number === 2) score = float32(field);
    else if (field.number === 3) type = varint(field);
  }
  if (text === "") throw fail(`piece ${index}: expected a text, got an empty one`);
  if (!Number.isFinite(score)) throw fail(`piece ${index}: expected a finite score, got ${score}`);
  if (type === PieceType.byte || type === PieceType.userDefined) {
    throw fail(`piece ${index}: byte and user-defined pieces are not supported, got type ${type}`);
  }
  return { text, score, type };
}

function parseTrainer(bytes: Uint8Array): { unkSurface: string } {
  let unkSurface = " \u2047 ";
  for (const field of protobufFields(bytes)) {
    if (field.number === 3 && varint(field) !== UNIGRAM) {
      throw fail(`expected a unigram model, got ${MODEL_TYPES[varint(field)] ?? `type ${varint(field)}`}`);
    }
    if (field.number === 24 && varint(field) !== 0) {
      throw fail("treat_whitespace_as_suffix: expected false, got true");
    }
    if (field.number === 44) unkSurface = utf8(bytesOf(field), "unk_surface");
  }
  return { unkSurface };
}

function parseNormalizer(bytes: Uint8Array, name: string): NormalizerSpec {
  const spec = { addDummyPrefix: true, removeExtraWhitespaces: true, escapeWhitespaces: true };
  for (const field of protobufFields(bytes)) {
    if (field.number === 2 && bytesOf(field).length > 0) {
      throw fail(`${name}: expected the identity normaliser, got a map of ${bytesOf(field).length} bytes`);
    }
    if (field.number === 3) spec.addDummyPrefix = varint(field) !== 0;
    else if (field.number === 4) spec.removeExtraWhitespaces = varint(field) !== 0;
    else if (field.number === 5) spec.escapeWhitespaces = varint(field) !== 0;
  }
  return spec;
}

/** A field of a protobuf message: a varint's value, or the bytes of a fixed or length-delimited one. */
interface Field {
  readonly number: number;
  readonly value: number | Uint8Array;
}

interface Cursor {
  readonly bytes: Uint8Array;
  position: number;
}

/** The fields of a message in the order of the file (protobuf.dev, "Encoding"). */
function* protobufFields(bytes: Uint8Array): Generator<Field> {
  const cursor: Cursor = { bytes, position: 0 };
  while (cursor.position < bytes.length) {
    const tag = takeVarint(cursor);
    const number = Math.floor(tag / 8);
    if (number === 0) throw fail("not a SentencePiece model: got a field number of 0");
    const wireType = tag % 8;
    if (wireType === 0) yield { number, value: takeVarint(cursor) };
    else if (wireType === 1) yield { number, value: take(cursor, 8) };
    else if (wireType === 2) yield { number, value: take(cursor, takeVarint(cursor)) };
    else if (wireType === 5) yield { number, value: take(cursor, 4) };
    else throw fail(`not a SentencePiece model: got wire type ${wireType}`);
  }
}

function take(cursor: Cursor, length: number): Uint8Array {
  const start = cursor.position;
  const left = cursor.bytes.length - start;
  if (length > left) throw fail(`expected ${length} more bytes, got ${left}: is the file cut short?`);
  cursor.position += length;
  return cursor.bytes.subarray(start, cursor.position);
}

function takeVarint(cursor: Cursor): number {
  let value = 0;
  for (let scale = 1; scale < 2 ** 70; scale *= 128) {
    const byte = cursor.bytes[cursor.position++];
    if (byte === undefined) throw fail("expected a varint, got the end: is the file cut short?");
    value += (byte % 128) * scale;
    if (byte < 128) return value;
  }
  throw fail("not a SentencePiece model: got a varint of more than 10 bytes");
}

function bytesOf({ number, value }: Field): Uint8Array {
  if (typeof value === "number") throw fail(`not a SentencePiece model: expected bytes in field ${number}`);
  return value;
}

function varint({ number, value }: Field): number {
  if (typeof value !== "number") throw fail(`not a SentencePiece model: expected a varint in field ${number}`);
  return value;
}

function float32(field: Field): number {
  const bytes = bytesOf(field);
  if (bytes.length !== 4) throw fail(`not a SentencePiece model: expected a float in field ${field.number}`);
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
}

/** ignoreBOM keeps U+FEFF, which may be a piece. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function utf8(bytes: Uint8Array, name: string): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw fail(`${name}: expected UTF-8 text`);
  }
}

function fail(message: string): SenseVoiceError {
  return new SenseVoiceError(`[tokenizer] ${message}`);
}
