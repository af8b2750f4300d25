import { argumentEdit } from "./arguments.ts";
import { JSON_TEXTS, NUMBER_TEXTS, WEIRD_TEXTS } from "./dictionary.ts";
import type { Random } from "./random.ts";

/** In place of the `remove` bytes at `at` stand those of `insert`. Every mutation is a list of such edits. */
export interface Edit {
  readonly at: number;
  readonly remove: number;
  readonly insert: Uint8Array;
}

/** What a file holds: `mixed` is binary with text in its beginning; `arguments` is a case of the command line. */
export type Format = "bytes" | "text" | "mixed" | "arguments";

/** No case is larger: what is slow in proportion to its length would be found anew in every run. */
const MAX_BYTES = 2 ** 20;

/** Applies edits one after another. What lies past the end is left out, so any part of a list of edits works. */
export function applyEdits(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  let out = bytes;
  for (const { at, remove, insert } of edits) {
    const start = Math.min(at, out.length);
    const rest = out.subarray(Math.min(start + remove, out.length));
    const next = new Uint8Array(start + insert.length + rest.length);
    next.set(out.subarray(0, start));
    next.set(insert, start);
    next.set(rest, start + insert.length);
    out = next.subarray(0, MAX_BYTES);
  }
  return out.slice();
}

/** A few edits at random; `other` is another seed, for splices. */
export function randomEdits(random: Random, bytes: Uint8Array, other: Uint8Array, format: Format): Edit[] {
  const edits: Edit[] = [];
  let current = bytes;
  for (let left = random.few(8); left > 0; left--) {
    const edit = randomEdit(random, current, other, format);
    edits.push(edit);
    current = applyEdits(current, [edit]);
  }
  return edits;
}

function randomEdit(random: Random, bytes: Uint8Array, other: Uint8Array, format: Format): Edit {
  if (format === "text") return textEdit(random, bytes, bytes.length);
  if (format === "mixed" && random.oneIn(2)) return textEdit(random, bytes, HEADER);
  if (format !== "arguments") return byteEdit(random, bytes, other);
  if (!random.oneIn(4)) return argumentEdit(random, bytes);
  const input = bytes.indexOf(10) + 1;
  const edit = byteEdit(random, bytes.subarray(input), other.subarray(other.indexOf(10) + 1));
  return { ...edit, at: input + edit.at };
}

/** Where text is looked for in a file that has binary after it. */
const HEADER = 4096;

/** Beginnings of structures whose fields are worth a change: chunks, pages, frames, directories. */
const MAGICS = (
  "RIFF RF64 WAVE fmt data ds64 LIST FORM COMM SSND fLaC OggS OpusHead OpusTags vorbis Xing Info ID3 ftyp moov mdat " +
  "PK\x01\x02 PK\x03\x04 PK\x05\x06 PK\x06\x06 PK\x06\x07 NIST_1A \xff\xf8 \xff\xf9 \xff\xfb \x1a\x45\xdf\xa3"
)
  .split(" ")
  .map((magic) => Buffer.from(magic, "latin1"));
/** Bytes after a magic within which its fields lie. */
const FIELDS = 40;

/** Offset of a field of some structure; anywhere if there is none. */
function structuredPlace(random: Random, bytes: Uint8Array): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const there = MAGICS.filter((magic) => buffer.includes(magic));
  if (there.length === 0) return random.below(bytes.length + 1);
  const magic = random.pick(there);
  const after = buffer.indexOf(magic, random.below(bytes.length));
  return (after < 0 ? buffer.indexOf(magic) : after) + random.below(FIELDS);
}

/** A whole page, frame, chunk or entry, from its magic to the next one: it is lost, comes twice, or stands elsewhere. */
export function unitEdit(random: Random, bytes: Uint8Array): Edit | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const there = MAGICS.filter((magic) => buffer.includes(magic));
  if (there.length === 0) return undefined;
  const magic = random.pick(there);
  const starts: number[] = [];
  for (let at = buffer.indexOf(magic); at >= 0 && starts.length < 4096; at = buffer.indexOf(magic, at + 1))
    starts.push(at);
  const unit = (i: number) => bytes.slice(starts[i], starts[i + 1] ?? bytes.length);
  const i = random.below(starts.length);
  const j = random.below(starts.length);
  return random.pick([
    { at: starts[i], remove: unit(i).length, insert: new Uint8Array(0) },
    { at: starts[j], remove: 0, insert: unit(i) },
    { at: starts[j], remove: unit(j).length, insert: unit(i) },
  ]);
}

const INTEGERS = [0, 1, 2, 7, 8, 16, 32, 64, 127, 128, 255, 256, 1000, 32767, 32768, 65535, 65536, 1_000_000]
  .flatMap((n) => [n, -n])
  .concat([2 ** 24, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 0x7ffff000, 0x7f800000, 0x7fc00000, -2]);

function integerBytes(random: Random): Uint8Array {
  const out = Buffer.alloc(8);
  const value = random.pick(INTEGERS);
  const width = random.pick([1, 2, 4, 8]);
  if (random.oneIn(2)) {
    out.writeBigInt64LE(BigInt(value));
    return out.subarray(0, width);
  }
  out.writeBigInt64BE(BigInt(value));
  return out.subarray(8 - width);
}

/** One change of bytes: bits, integers, chunks that are lost, doubled, moved, or come from another file. */
export function byteEdit(random: Random, bytes: Uint8Array, other: Uint8Array): Edit {
  const unit = random.oneIn(7) ? unitEdit(random, bytes) : undefined;
  if (unit) return unit;
  const at = random.oneIn(2) ? structuredPlace(random, bytes) : random.below(bytes.length + 1);
  const write = (insert: Uint8Array): Edit => ({ at, remove: insert.length, insert });
  const chunk = (from: Uint8Array): Uint8Array => {
    const start = random.below(from.length + 1);
    return from.slice(start, start + 1 + random.below(2 ** (1 + random.below(13))));
  };
  switch (random.below(12)) {
    case 0:
    case 1:
      return write(Uint8Array.of((bytes[at] ?? 0) ^ (1 << random.below(8))));
    case 2:
      return write(Uint8Array.of(random.below(256)));
    case 3:
    case 4:
      return write(integerBytes(random));
    case 5:
      return { at, remove: bytes.length, insert: new Uint8Array(0) }; // the file ends here
    case 6:
      return { at, remove: chunk(bytes).length, insert: new Uint8Array(0) };
    case 7:
      return { at, remove: 0, insert: chunk(bytes) };
    case 8:
      return random.oneIn(2) ? write(chunk(other)) : { at, remove: 0, insert: chunk(other) };
    case 9:
      return write(new Uint8Array(chunk(bytes).length).fill(random.pick([0, 0xff, 0x80, 0x20])));
    case 10:
      return { at: 0, remove: random.below(64), insert: other.slice(0, random.below(64)) }; // pretends
    default:
      return { at, remove: 0, insert: new Uint8Array(2 ** random.below(18)).fill(bytes[at] ?? 0) };
  }
}

/** Numbers, strings and words of JSON and YAML, and lists and objects that hold no others. Offsets in latin1 are offsets in bytes. */
const TOKENS = /-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|"(?:[^"\\\n]|\\.)*"|[A-Za-z_][\w.]*/g;
const GROUPS = /\[[^[\]{}]*\]|\{[^[\]{}]*\}/g;

/** Bytes that are looked at: an earlier edit may have left quotes open by the thousand, and TOKENS tries each. */
const SEEN = 2 ** 15;

/** One change of text within the first `length` bytes. */
export function textEdit(random: Random, bytes: Uint8Array, length: number): Edit {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(length, bytes.length, SEEN)).toString("latin1");
  const place = random.below(text.length + 1);
  const replace = (match: RegExpExecArray, by: string): Edit => {
    return { at: match.index, remove: match[0].length, insert: Buffer.from(by) };
  };
  const tokens = [...text.matchAll(TOKENS)];
  const numbers = tokens.filter(([token]) => /^[-\d]/.test(token));
  const kind = random.below(10);
  if (kind < 4 && numbers.length > 0) {
    const match = random.pick(numbers);
    const value = Number(match[0]);
    const near = [value + 1, value - 1, value * 2, -value, value / 2, value * 1000].map(String);
    return replace(match, random.pick(random.oneIn(2) ? near : NUMBER_TEXTS));
  }
  if (kind < 7 && tokens.length > 0) {
    const match = random.pick(random.oneIn(4) ? [...tokens, ...text.matchAll(GROUPS)] : tokens);
    const found = tokens.map(([token]) => token);
    const by = random.pick(random.pick([found, NUMBER_TEXTS, JSON_TEXTS, JSON_TEXTS, WEIRD_TEXTS]));
    return replace(match, match[0].startsWith('"') && random.oneIn(2) ? quoted(by) : by);
  }
  if (kind === 7) {
    const from = lineAt(text, place);
    if (random.oneIn(2)) return { at: from.at, remove: from.line.length, insert: new Uint8Array(0) };
    const { at } = lineAt(text, random.below(text.length + 1));
    return { at, remove: 0, insert: Buffer.from(from.line, "latin1") };
  }
  if (kind === 8) {
    const inserted = { at: place, remove: 0, insert: Buffer.from(nested(random)) };
    return tokens.length > 0 && random.oneIn(2) ? replace(random.pick(tokens), nested(random)) : inserted;
  }
  const part = bytes.subarray(0, text.length);
  return byteEdit(random, part, part);
}

/** The line that an offset is in, its newline included. */
function lineAt(text: string, offset: number): { at: number; line: string } {
  const at = offset === 0 ? 0 : text.lastIndexOf("\n", offset - 1) + 1;
  return { at, line: text.slice(at, text.indexOf("\n", at) + 1 || text.length) };
}

function quoted(text: string): string {
  return text.startsWith('"') ? text : JSON.stringify(text);
}

/** Brackets within brackets: more than a function that calls itself has room for. */
function nested(random: Random): string {
  const depth = random.pick([3, 100, 20_000]);
  const [open, close] = random.pick([
    ["[", "]"],
    ['{"a":', "}"],
    ["[ ", ""],
    ["- ", "1\n"],
    ["(", ")"],
    ["{? ", ""],
  ]);
  return `${open.repeat(depth)}0${close.repeat(depth)}`;
}
