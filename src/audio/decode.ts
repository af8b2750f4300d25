import { SenseVoiceError } from "../error.ts";
import { type Container, checkComplete, containerOf, id3Length } from "./container.ts";
import { exactFlac } from "./flac.ts";
import type { DecodedAudio } from "./pcm.ts";
import { decodeSphere } from "./sphere.ts";
import { decodeWav } from "./wav.ts";

const FORMATS = "wav, mp3, flac, ogg (vorbis, opus), aiff and sph";

type Decoder = (bytes: Uint8Array) => DecoderResult | Promise<DecoderResult>;
type DecoderResult = { channelData: Float32Array[]; sampleRate: number };

/** Loaded when one is needed. The decoders of AAC that npm has are under the GPL, so m4a and webm are left out. */
const DECODERS: Readonly<Record<string, () => Promise<{ default: Decoder }>>> = {
  mp3: () => import("@audio/decode-mp3"),
  flac: () => import("@audio/decode-flac"),
  opus: () => import("@audio/decode-opus"),
  vorbis: () => import("@audio/decode-vorbis"),
  aiff: () => import("@audio/decode-aiff"),
};

/** Another way to read what is not read here: decoded sound, or in a few words why not. */
export type Fallback = (bytes: Uint8Array) => Promise<DecodedAudio | string>;

/**
 * Decodes a sound file by its content: wav and sph here, mp3, flac, ogg vorbis, ogg opus and aiff by the packages
 * `@audio/decode-*`, anything else by `fallback`. Runs in Node and in browsers.
 *
 * mp3 with a Xing header comes without the encoder's delay in front, but may keep some padding at the end;
 * mp3 without one keeps the decoder's delay, 1105 samples. Opus is always decoded to 48 kHz.
 *
 * @param name stands at the start of an error's message
 * @throws SenseVoiceError for what is no sound, and for a truncated or damaged file as far as it can be told
 */
export async function decodeAudio(
  bytes: Uint8Array,
  name = "audio",
  fallback?: Fallback,
): Promise<DecodedAudio> {
  if (!(bytes instanceof Uint8Array)) {
    throw new SenseVoiceError(`${name}: expected the bytes of a sound file in a Uint8Array`);
  }
  if (bytes.length === 0) throw new SenseVoiceError(`${name}: expected a sound file, got an empty one`);
  const container = containerOf(bytes);
  // The header of a NIST SPHERE file is text.
  if (container !== "sphere" && isText(bytes)) {
    throw new SenseVoiceError(`${name}: not a sound file, it holds text`);
  }
  const decoded = container
    ? await decodeContainer(bytes, container, name)
    : `not a sound file that is known: ${FORMATS}`;
  if (typeof decoded !== "string") return decoded;

  const rescued = await fallback?.(bytes);
  if (rescued !== undefined && typeof rescued !== "string") return rescued;
  throw new SenseVoiceError(`${name}: ${decoded}${rescued ? `; ${rescued}` : ""}`);
}

/** A string says why it cannot be read here; what is surely damaged throws. */
async function decodeContainer(
  bytes: Uint8Array,
  container: Container,
  name: string,
): Promise<DecodedAudio | string> {
  if (container === "wav") return decodeWav(bytes, name) ?? "a wav of an encoding that is not read here";
  if (container === "sphere") return decodeSphere(bytes, name);
  checkComplete(bytes, container, name);
  const codec = container === "ogg" ? oggCodec(bytes) : container;
  if (!(codec in DECODERS)) return `${codec} is not read here, but ${FORMATS}`;
  let decoded: DecodedAudio;
  try {
    const decode = (await DECODERS[codec]()).default;
    const { channelData, sampleRate } = await decode(bytes);
    decoded = { channels: channelData, sampleRate };
  } catch (error) {
    return `${container} that cannot be decoded (${firstLine(error)})`;
  }
  if (!decoded.channels[0]?.length) return `${container} in which no sound was found`;
  return codec === "flac" ? exactFlac(bytes, id3Length(bytes), decoded, name) : decoded;
}

/** What an Ogg file holds, by the beginning of its first packet. */
function oggCodec(bytes: Uint8Array): string {
  const packet = id3Length(bytes) + 28; // the page's header and a table of one segment
  const start = String.fromCharCode(...bytes.subarray(packet, packet + 8));
  if (start === "OpusHead") return "opus";
  if (start.startsWith("\x01vorbis")) return "vorbis";
  return start.startsWith("\x7fFLAC") ? "flac" : "ogg without vorbis, opus or flac";
}

/** UTF-8 without control characters. A web page saved under a sound's name is the usual case. */
function isText(bytes: Uint8Array): boolean {
  const start = new TextDecoder().decode(bytes.subarray(0, 512), { stream: true });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what tells sound from text
  return !/[\x00-\x08\x0e-\x1f\x7f\ufffd]/.test(start);
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split("\n", 1)[0];
}
