import { SenseVoiceError } from "../error.ts";
import { latin1 } from "./bytes.ts";
import type { PcmLayout, SampleReader } from "./pcm.ts";
import { READERS as WAV } from "./wav.ts";

const MAGIC = "NIST_1A\n";
const MAX_CHANNELS = 64;
/** Far more than a header takes, usually 1024 bytes, and a value in it. */
const MAX_HEADER = 2 ** 16;
const MAX_VALUE = 40;

/** By coding, bytes of a sample and, where there are several, their order: 01 has the low byte first, 10 the high. */
const READERS: Readonly<Record<string, SampleReader>> = {
  "pcm 2 01": WAV["1/16"],
  "pcm 2 10": (view, at) => view.getInt16(at, false) / 2 ** 15,
  "ulaw 1": WAV["7/8"],
  "mu-law 1": WAV["7/8"],
  "alaw 1": WAV["6/8"],
};

/** Whether the bytes begin as a NIST SPHERE file does, the format of TIMIT's .WAV and of .sph. */
export function isSphere(bytes: Uint8Array): boolean {
  return latin1(bytes.subarray(0, MAGIC.length)) === MAGIC;
}

/**
 * Finds the sound in NIST SPHERE: PCM of 16 bits in either byte order, µ-law and A-law; any rate, any number of
 * channels. The header is text, `NAME -TYPE VALUE` to a line up to `end_head`; its second line gives its length.
 * Sound compressed with shorten or wavpack is not read here.
 *
 * @see FindPcm, https://www.nist.gov/itl/iad/mig/tools (SPHERE, doc/sphere.doc)
 */
export function sphereLayout(bytes: Uint8Array, name: string, length = bytes.length): PcmLayout | string {
  const start = Number(latin1(bytes.subarray(MAGIC.length, MAGIC.length + 8)));
  if (!Number.isInteger(start) || start < 16 || start > Math.min(length, MAX_HEADER)) {
    throw new SenseVoiceError(`${name}: damaged sph: it has no length of its header, or ends before it does`);
  }
  if (start > bytes.length) return "";
  const fields = readFields(latin1(bytes.subarray(16, start)));
  const coding = fields.get("sample_coding") ?? "pcm";
  if (coding.includes(",")) return `sph compressed as ${coding} is not read here: decompress it with sph2pipe -p`;

  const number = (field: string, max: number, absent?: number): number => {
    const value = fields.has(field) ? Number(fields.get(field)) : absent;
    if (value !== undefined && Number.isInteger(value) && value >= 1 && value <= max) return value;
    throw new SenseVoiceError(`${name}: damaged sph: ${field}: expected a number from 1 to ${max}, got ${value}`);
  };
  const sampleBytes = number("sample_n_bytes", 8, coding === "pcm" ? 2 : 1);
  const order = sampleBytes === 1 ? "" : ` ${fields.get("sample_byte_format") ?? "01"}`;
  const read = READERS[`${coding} ${sampleBytes}${order}`];
  if (!read) return `sph of ${8 * sampleBytes}-bit ${coding} in the byte order "${order.trim()}" is not read here`;

  const channels = number("channel_count", MAX_CHANNELS, 1);
  const present = Math.floor((length - start) / (channels * sampleBytes));
  const untold = !fields.has("sample_count") && length === Number.POSITIVE_INFINITY;
  const frames = untold ? present : number("sample_count", Number.MAX_SAFE_INTEGER, present);
  if (frames > present) {
    throw new SenseVoiceError(`${name}: truncated sph: expected ${frames} samples, got ${present}`);
  }
  const sampleRate = number("sample_rate", Number.MAX_SAFE_INTEGER);
  return { sampleRate, channels, read, start, frameBytes: channels * sampleBytes, frames };
}

function readFields(header: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of header.split("\n")) {
    if (line.trim() === "end_head") break;
    const [, field, value] = /^(\w+) -(?:i|r|s\d+) (.*)$/.exec(line) ?? [];
    if (field !== undefined) fields.set(field, value.trim().slice(0, MAX_VALUE));
  }
  return fields;
}
