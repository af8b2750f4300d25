import { SenseVoiceError } from "../error.ts";
import { aiffLayout } from "./aiff.ts";
import { latin1 } from "./bytes.ts";
import { type Container, checkComplete, containerOf, id3Length, soundAhead } from "./container.ts";
import { createFlacDecoder, flacFrames, flacSamples } from "./flac.ts";
import { type ByteStream, Input, MORE } from "./input.ts";
import { oggPages, oggSamples } from "./ogg.ts";
import { type DecodedAudio, type FindPcm, readPcm } from "./pcm.ts";
import { sphereLayout } from "./sphere.ts";
import { wavLayout } from "./wav.ts";

const FORMATS = "wav, mp3, flac, ogg (vorbis, opus), aiff and sph";
/** First bytes of a file, or of what follows its ID3 tag, by which it is known. */
const START = 512;
/** Bytes of an mp3 that are decoded at a time: 4 s of sound at 8 kbit/s. */
const SLICE = 4096;

/** Sound piece by piece; at the end nothing, or in a few words why there was none. */
export type Sound = AsyncGenerator<DecodedAudio, string | undefined>;

/** Another way to read what is not read here: the whole file from its first byte on. */
export type Fallback = (file: AsyncIterable<Uint8Array>, container?: Container) => Sound;

const LAYOUTS: Readonly<Record<string, FindPcm>> = { wav: wavLayout, sphere: sphereLayout, aiff: aiffLayout };

interface Decoded {
  readonly channelData: readonly Float32Array[];
  readonly sampleRate: number;
  readonly errors?: readonly { readonly message: string }[];
}

/** What the packages' decoders have in common. */
interface Decoder {
  decode(piece: Uint8Array): Decoded | Promise<Decoded>;
  flush?(): Decoded;
  free(): void;
}

type Codec = { decoder(): Promise<Decoder>; pieces(input: Input, name: string): Iterable<Uint8Array> };

/** Packages are loaded when one is needed. Those for AAC are under the GPL, so m4a and webm are left out. */
const CODECS: Readonly<Record<string, Codec>> = {
  mp3: { decoder: async () => (await import("@audio/decode-mp3")).decoder(), pieces: mp3Slices },
  opus: { decoder: async () => (await import("@audio/decode-opus")).decoder(), pieces: oggPages },
  vorbis: { decoder: async () => (await import("@audio/decode-vorbis")).decoder(), pieces: oggPages },
  flac: { decoder: createFlacDecoder, pieces: flacFrames },
};

/**
 * Decodes a sound file by its content: wav, aiff and sph here, mp3, flac, ogg vorbis and ogg opus by packages of
 * npm, anything else by `fallback`. Runs in Node and in browsers. No piece takes long, so that a caller who pauses
 * between them never holds the event loop. Of a stream no more is held than a header, a page or a frame.
 *
 * mp3 with a Xing header comes without the encoder's delay in front, but may keep some padding at the end;
 * mp3 without one keeps the decoder's delay, 1105 samples. Opus is always decoded to 48 kHz.
 *
 * @param file its bytes, or a stream of them, which is closed at the end
 * @param name stands at the start of an error's message
 * @throws SenseVoiceError for what is no sound, and for a truncated or damaged file as far as it can be told: where
 *   only the end tells, at once if all bytes are there, else at the end; and what the stream throws
 */
export async function* decodeAudio(
  file: Uint8Array | ByteStream,
  name = "audio",
  fallback?: Fallback,
): AsyncGenerator<DecodedAudio> {
  const input = new Input(file, name);
  try {
    while (!input.ended && input.length < START + id3Length(input.held)) await input.fill();
    const { held } = input;
    if (held.length === 0) throw new SenseVoiceError(`${name}: expected a sound file, got an empty one`);
    const container = containerOf(held);
    // The header of a NIST SPHERE file is text.
    if (container !== "sphere" && isText(held)) {
      throw new SenseVoiceError(`${name}: not a sound file, it holds text`);
    }
    const problem = container
      ? yield* decodeContainer(input, container, name)
      : `not a sound file that is known: ${FORMATS}`;
    if (problem === undefined) return;
    const whole = fallback && input.replay();
    const other = whole ? yield* fallback(whole, container) : "";
    if (other !== undefined) throw new SenseVoiceError(`${name}: ${problem}${other && `; ${other}`}`);
  } finally {
    await input.close();
  }
}

/** The returned string says why it cannot be read here; what is surely damaged throws. */
async function* decodeContainer(input: Input, container: Container, name: string): Sound {
  if (container in LAYOUTS) return yield* decodePcm(input, container, name);
  checkComplete(input, container, name);
  const { held } = input;
  const codec = container === "ogg" ? oggCodec(held) : container;
  if (!(codec in CODECS)) return `${codec} is not read here, but ${FORMATS}`;
  const known =
    container === "ogg" ? input.ended && oggSamples(held) : codec === "flac" && flacSamples(held, id3Length(held));
  let found = false;
  try {
    const { decoder, pieces } = CODECS[codec];
    for await (const sound of feed(decoder, pieces(input, name), input)) {
      if (!sound.channels[0]?.length) continue;
      found = true;
      input.settle();
      yield { ...sound, total: Number(known) };
    }
  } catch (error) {
    if (error instanceof SenseVoiceError || input.pending) throw error;
    const line = String(error instanceof Error ? error.message : error).split("\n", 1)[0];
    if (found) throw new SenseVoiceError(`${name}: damaged ${container}: ${line}`);
    return `${container} that cannot be decoded (${line})`;
  }
  return found ? undefined : `${container} in which no sound was found`;
}

/** Uncompressed sound, as it comes. */
async function* decodePcm(input: Input, container: Container, name: string): Sound {
  const find = () => LAYOUTS[container](header, name, input.size);
  let header = input.held;
  let layout = find();
  while (layout === "") {
    // Twice as much each time: a header of very many parts is not read very many times.
    for (const wanted = 2 * header.length; !input.ended && input.length < wanted; ) await input.fill();
    header = input.held;
    layout = find();
  }
  if (typeof layout === "string") return layout;
  input.settle();
  input.at = layout.start;
  const total = Number.isFinite(layout.frames) ? layout.frames : 0;
  for (let left = layout.frames; left > 0; ) {
    const frames = Math.min(left, Math.floor(input.held.length / layout.frameBytes));
    for (const sound of readPcm(input.held, { ...layout, start: 0, frames })) yield { ...sound, total };
    input.at += frames * layout.frameBytes;
    left -= frames;
    if (left === 0) break;
    if (input.ended) return void find(); // which throws unless the sound goes to the end
    await input.fill();
  }
  return undefined;
}

/**
 * Decodes piece by piece.
 *
 * @throws Error at the first damage: decoders pass over it, but list it or print a line on the console
 */
async function* feed(
  create: () => Promise<Decoder>,
  pieces: Iterable<Uint8Array>,
  input: Input,
): AsyncGenerator<DecodedAudio> {
  let decoder: Decoder | undefined;
  try {
    for (const piece of pieces) {
      if (piece === MORE) {
        await input.fill();
        continue;
      }
      // Each Vorbis of a chain has tables of its own.
      if (decoder && latin1(piece, 28, 35) === "\x01vorbis") {
        yield await soundOf(() => decoder?.flush?.());
        decoder.free();
        decoder = undefined;
      }
      decoder ??= await create();
      yield await soundOf(() => decoder?.decode(piece));
    }
    yield await soundOf(() => decoder?.flush?.());
  } finally {
    decoder?.free();
  }
}

/** What `decode` returns. What it prints meanwhile is thrown instead; nothing else runs while it does. */
async function soundOf(decode: () => Decoded | Promise<Decoded> | undefined): Promise<DecodedAudio> {
  const print = console.error;
  console.error = (...words) => {
    throw new Error(words.join(" "));
  };
  let decoded: ReturnType<typeof decode>;
  try {
    decoded = decode();
  } finally {
    console.error = print;
  }
  const { channelData = [], sampleRate = 0, errors = [] } = (await decoded) ?? {};
  if (errors.length > 0) throw new Error(errors[0].message);
  return { channels: channelData, sampleRate };
}

/** The sound in an mp3 without its tags, which may be large enough to pass for damage. */
function* mp3Slices(input: Input): Generator<Uint8Array> {
  input.at = id3Length(yield* input.peek(10));
  for (;;) {
    const slice = (yield* soundAhead(input, SLICE)).subarray(0, SLICE);
    if (slice.length === 0) return;
    input.at += slice.length;
    yield slice;
  }
}

/** What an Ogg file holds, by the beginning of its first packet. */
function oggCodec(bytes: Uint8Array): string {
  const packet = id3Length(bytes) + 28; // the page's header and a table of one segment
  const start = latin1(bytes, packet, packet + 8);
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
