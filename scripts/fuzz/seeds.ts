import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chunk, concat, format, riff } from "../../test/audio/support.ts";
import type { Format } from "./edits.ts";

/** Something that is right, to begin with. */
export interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly format: Format;
}

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A file of the repository. */
export function fileSeed(path: string, format: Format = "bytes"): Seed {
  return { name: path.split("/").at(-1)!, bytes: new Uint8Array(readFileSync(join(ROOT, path))), format };
}

export function textSeed(name: string, text: string): Seed {
  return { name, bytes: Buffer.from(text), format: "text" };
}

/** Files of a folder of the repository whose names end so, the smallest first. */
export function smallestSeeds(folder: string, extension: string, count: number): Seed[] {
  const names = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith(extension));
  const seeds = names.map((name) => fileSeed(`${folder}/${name}`));
  return seeds.sort((a, b) => a.bytes.length - b.bytes.length || (a.name < b.name ? -1 : 1)).slice(0, count);
}

/** A falling tone, 50 ms at 16 kHz: small enough that a case takes no time. */
const SAMPLES = Array.from({ length: 800 }, (_, i) => Math.sin(i / (3 + i / 200)) * 0.8);

/** Encodings by WAVE_FORMAT tag: bytes of a sample, and how one is written. */
const ENCODINGS: readonly [name: string, tag: number, bytes: number, write: (view: DataView, x: number) => void][] = [
  ["u8", 1, 1, (view, x) => view.setUint8(0, 128 + x * 127)],
  ["s16", 1, 2, (view, x) => view.setInt16(0, x * 32767, true)],
  ["s24", 1, 3, (view, x) => view.setInt16(1, x * 32767, true)],
  ["s32", 1, 4, (view, x) => view.setInt32(0, x * 2 ** 31, true)],
  ["f32", 3, 4, (view, x) => view.setFloat32(0, x, true)],
  ["f64", 3, 8, (view, x) => view.setFloat64(0, x, true)],
  ["alaw", 6, 1, (view, x) => view.setUint8(0, x * 127)],
  ["ulaw", 7, 1, (view, x) => view.setUint8(0, x * 127)],
];

function encode(bytes: number, write: (view: DataView, x: number) => void): Uint8Array {
  const out = new Uint8Array(SAMPLES.length * bytes);
  SAMPLES.forEach((x, i) => {
    write(new DataView(out.buffer, i * bytes, bytes), x);
  });
  return out;
}

export function wavSeeds(): Seed[] {
  const seeds = ENCODINGS.map(([name, tag, bytes, write]): Seed => {
    const chunks = [chunk("fmt ", format(tag, 1, 16000, 8 * bytes)), chunk("data", encode(bytes, write))];
    return { name: `${name}.wav`, bytes: riff(chunks), format: "bytes" };
  });
  const s16 = encode(2, ENCODINGS[1][3]);
  const extensible = concat([format(0xfffe, 2, 44100, 16), Uint8Array.of(22, 0, 16, 0, 3, 0, 0, 0, 1, 0), GUID]);
  const ds64 = new Uint8Array(28);
  new DataView(ds64.buffer).setUint32(0, 80 + s16.length, true);
  new DataView(ds64.buffer).setUint32(8, s16.length, true);
  const long = [chunk("ds64", ds64), chunk("fmt ", format(1, 1, 8000, 16)), chunk("data", s16, 0xffffffff)];
  return [
    ...seeds,
    { name: "extensible.wav", bytes: riff([chunk("fmt ", extensible), chunk("data", s16)]), format: "bytes" },
    { name: "rf64.wav", bytes: riff(long, "RF64", 0xffffffff), format: "bytes" },
  ];
}

/** The end of KSDATAFORMAT_SUBTYPE_PCM. */
const GUID = Uint8Array.of(0, 0, 0, 0, 16, 0, 128, 0, 0, 170, 0, 56, 155, 113);

/** AIFF: chunks as in wav, the high byte first; the rate is an 80-bit float (16 000 here). */
export function aiffSeeds(): Seed[] {
  const sound = encode(2, (view, x) => view.setInt16(0, x * 32767));
  const bigEndian = (id: string, body: Uint8Array) => {
    const out = chunk(id, body);
    new DataView(out.buffer).setUint32(4, body.length);
    return out;
  };
  const rate = [0x40, 0x0c, 0xfa, 0, 0, 0, 0, 0, 0, 0];
  const common = Uint8Array.of(0, 1, 0, 0, SAMPLES.length >> 8, SAMPLES.length & 255, 0, 16, ...rate);
  const make = (type: string, comm: Uint8Array) => {
    const chunks = [bigEndian("COMM", comm), bigEndian("SSND", concat([new Uint8Array(8), sound]))];
    return bigEndian("FORM", concat([Buffer.from(type), ...chunks]));
  };
  const compressed = concat([common, Buffer.from("NONE\x0enot compressed\0", "latin1")]);
  return [
    { name: "s16.aiff", bytes: make("AIFF", common), format: "bytes" },
    { name: "none.aifc", bytes: make("AIFC", compressed), format: "bytes" },
  ];
}

type Value = number | string | Float32Array | Message;
type Message = readonly (readonly [field: number, value: Value])[];

/** Protobuf: numbers as varints, a Float32Array as one float of 4 bytes. */
function message(fields: Message): Uint8Array {
  return concat(
    fields.map(([field, value]) => {
      if (typeof value === "number") return concat([varint(field * 8), varint(value)]);
      if (value instanceof Float32Array) return concat([varint(field * 8 + 5), new Uint8Array(value.buffer)]);
      const body = typeof value === "string" ? Buffer.from(value) : message(value);
      return concat([varint(field * 8 + 2), varint(body.length), body]);
    }),
  );
}

function varint(value: number): Uint8Array {
  return value < 128 ? Uint8Array.of(value) : Uint8Array.of((value & 127) | 128, ...varint(value >>> 7));
}

/** A SentencePiece model of 31 pieces, as many as the toy model has tokens. */
export function toyTokenizer(): Uint8Array {
  const types = [2, 3]; // <unk> is unknown, <s> control, the rest normal
  const texts = ["<unk>", "<s>", "▁", "▁ab", "<|zh|>", "<|HAPPY|>", "<|EMO_UNKNOWN|>", "<|withitn|>", "好"];
  const pieces = [...texts, ..."abcdefghijklmnopqrstuv"].map((text, i): [number, Message] => {
    return [
      1,
      [
        [1, text],
        [2, Float32Array.of(-i)],
        [3, types[i] ?? 1],
      ],
    ];
  });
  const trainer: Message = [
    [3, 1],
    [44, " ⁇ "],
  ];
  const normaliser: Message = [
    [1, "identity"],
    [3, 1],
    [4, 1],
    [5, 1],
  ];
  return message([...pieces, [2, trainer], [3, normaliser]]);
}
