import { Readable } from "node:stream";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import type { Fallback } from "../../src/audio/decode.ts";
import type { SoundSource } from "../../src/audio/pieces.ts";
import { streamSound } from "../../src/audio/source.ts";
import { joinAudio } from "../../src/audio/stream.ts";
import { SenseVoiceError } from "../../src/error.ts";
import { chunk, concat, fixture, format, oggPage, pagesOf, riff, zhHappy } from "./support.ts";

const bytes = fixture("clip.flac");
const samples = Float32Array.from(zhHappy().subarray(4800, 20800), (s) => s / 32768);
const hear = (source: unknown, fallback?: Fallback) => joinAudio(streamSound(source as SoundSource, "x", fallback));

/** Parts of 1000. */
function parts<T extends Uint8Array | Float32Array>(whole: T): T[] {
  return Array.from({ length: Math.ceil(whole.length / 1000) }, (_, i) => whole.slice(1000 * i, 1000 * i + 1000) as T);
}

/** An endless stream of a piece, and whether it is open. */
function endless(piece: unknown) {
  const state = { open: true, asked: 0 };
  async function* stream() {
    try {
      for (; ; state.asked++) yield piece;
    } finally {
      state.open = false;
    }
  }
  return { stream: stream(), state };
}

const toWeb = (pieces: readonly unknown[]) => Readable.toWeb(Readable.from(pieces));

/** As browsers have it that cannot go through one with `for await`. */
function plainStream(pieces: readonly unknown[]) {
  const rest = [...pieces];
  const state = { cancelled: 0 };
  const getReader = () => ({
    read: async () => (rest.length > 0 ? { done: false, value: rest.shift() } : { done: true, value: undefined }),
    cancel: async () => void state.cancelled++,
  });
  return { stream: { getReader }, state };
}

describe("bytes", () => {
  const foreign: Uint8Array = runInNewContext("Uint8Array.from(bytes)", { bytes: [...bytes] });
  test.each<[string, () => unknown]>([
    ["in an array", () => bytes],
    ["in a Buffer", () => Buffer.from(bytes)],
    ["in an ArrayBuffer", () => bytes.buffer],
    ["in an array of another realm", () => foreign],
    ["in an ArrayBuffer of another realm", () => foreign.buffer],
    ["in a Blob", () => new Blob([bytes.slice()])],
    ["in a File", () => new File([bytes.slice()], "a.flac")],
    ["in a list", () => parts(bytes)],
    ["in a list of one of another realm", () => [foreign]],
    ["in a stream of Node's", () => Readable.from(parts(bytes).map((part) => Buffer.from(part)))],
    ["in a ReadableStream", () => toWeb(parts(bytes))],
    ["in a ReadableStream without an iterator", () => plainStream(parts(bytes)).stream],
    ["in a body", () => new Response(bytes.slice()).body],
    ["with pieces of length 0", () => [new Uint8Array(0), bytes, new Uint8Array(0)]],
  ])("%s", async (_, source) => {
    expect(await hear(source())).toEqual(samples);
  });
});

describe("samples", () => {
  const foreign: Float32Array = runInNewContext("Float32Array.from(samples)", { samples: [...samples] });
  test.each<[string, () => unknown]>([
    ["in an array", () => samples],
    ["in an array of another realm", () => foreign],
    ["in a list", () => parts(samples)],
    ["in a list of one of another realm", () => [foreign]],
    ["in a stream of Node's", () => Readable.from(parts(samples))],
    ["in a ReadableStream", () => toWeb(parts(samples))],
    ["with pieces of length 0", () => [new Float32Array(0), samples, new Float32Array(0)]],
  ])("%s", async (_, source) => {
    expect(await hear(source())).toEqual(samples);
  });

  test("of an array that is filled again and again, or changed by who takes them", async () => {
    const array = new Float32Array(1000);
    const filled = function* () {
      for (const part of parts(samples)) {
        array.set(part);
        yield array;
        array.fill(9);
      }
    };
    expect(await hear(filled())).toEqual(samples);
    const before = samples.slice();
    for await (const piece of streamSound(samples)) piece.fill(9);
    expect(samples).toEqual(before);
  });

  test("come in small pieces, and the event loop has its turns", async () => {
    let [turns, running, largest] = [0, true, 0];
    const turn = () => {
      turns++;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    for await (const piece of streamSound(new Float32Array(20_000_000))) largest = Math.max(largest, piece.length);
    running = false;
    expect(largest).toBeLessThanOrEqual(8192);
    expect(turns).toBeGreaterThan(3);
  });
});

describe("what is refused", () => {
  test.each<[unknown, string]>([
    ["a.wav", "got String"],
    [undefined, "got Undefined"],
    [null, "got Null"],
    [7, "got Number"],
    [{}, "got Object"],
    [new Int16Array(9), "got Int16Array"],
    [new Float64Array(9), "got Float64Array"],
    [new DataView(new ArrayBuffer(8)), "got DataView"],
  ])("%o for a source", async (source, got) => {
    await expect(hear(source)).rejects.toThrow(`x: expected bytes, samples, or a stream of either, ${got}`);
  });

  test.each<[string, unknown[], string]>([
    ["numbers", [0.5, 0.25], "x: expected a stream of Uint8Array or of Float32Array, got one of Number"],
    ["texts", ["RIFF"], "x: expected a stream of Uint8Array or of Float32Array, got one of String"],
    ["16 bits", [new Int16Array(9)], "x: expected a stream of Uint8Array or of Float32Array, got one of Int16Array"],
    ["bytes, then samples", [bytes, samples], "x: expected each piece of the stream in a Uint8Array, got Float32Array"],
    ["samples, then bytes", [samples, bytes], "x: expected each piece of the stream in a Float32Array, got Uint8Array"],
    ["a hole", [samples, undefined], "x: expected each piece of the stream in a Float32Array, got Undefined"],
    ["nothing", [], "x: expected a sound file, got an empty one"],
    ["no bytes", [new Uint8Array(0)], "x: expected a sound file, got an empty one"],
    ["no samples", [new Float32Array(0)], "x: expected sound, got 0 samples"],
    ["NaN", [samples, Float32Array.of(0, Number.NaN)], "x: expected finite samples, got NaN at sample 16001"],
  ])("a stream of %s, and it is closed", async (_, pieces, message) => {
    let open = true;
    const source = function* () {
      try {
        yield* pieces;
      } finally {
        open = false;
      }
    };
    await expect(hear(source())).rejects.toThrow(new SenseVoiceError(message));
    expect(open).toBe(false);
  });

  test("sound beyond the limit", async () => {
    const { stream, state } = endless(new Float32Array(16000));
    await expect(joinAudio(streamSound(stream as AsyncIterable<Float32Array>, "x", undefined, 5))).rejects.toThrow(
      "x: expected at most 5 seconds of sound, got 6 or more",
    );
    expect(state).toEqual({ open: false, asked: 5 });
  });

  test("a truncated wav in a Blob, before its first sample", async () => {
    const wav = riff([chunk("fmt ", format(1, 1, 16000, 16)), chunk("data", new Uint8Array(400_000), 500_000)]);
    await expect(streamSound(new Blob([wav.slice()]), "x").next()).rejects.toThrow(
      "x: truncated wav: expected 500000 bytes of sound, got 400000",
    );
  });

  test("what a stream throws is thrown on as it is, also where another decoder would be asked", async () => {
    const failure = new TypeError("the network is down");
    for (const start of [bytes.subarray(0, 5000), fixture("clip.mp3").subarray(0, 200), samples]) {
      const source = async function* () {
        yield start;
        throw failure;
      };
      await expect(hear(source(), none)).rejects.toBe(failure);
    }
  });
});

// biome-ignore lint/correctness/useYield: it has no sound
const none: Fallback = async function* (file) {
  for await (const _ of file);
  return "nor is it elsewhere";
};

describe("a consumer that has enough", () => {
  const wav = concat([fixture("../../../samples/zh-happy.wav").subarray(0, 40), new Uint8Array(4).fill(0xff)]);

  test.each<[string, unknown]>([
    ["bytes", new Uint8Array(4000)],
    ["samples", new Float32Array(4000)],
  ])("closes a stream of %s", async (type, piece) => {
    const { stream, state } = endless(piece);
    const source = async function* () {
      if (type === "bytes") yield wav;
      yield* stream;
    };
    let pieces = 0;
    for await (const _ of streamSound(source() as AsyncIterable<Float32Array>)) if (++pieces > 3) break;
    expect(state.open).toBe(false);
    expect(state.asked).toBeLessThan(6);
  });

  test("cancels a ReadableStream, with an iterator and without", async () => {
    const { stream, state } = plainStream(parts(samples));
    let cancelled = 0;
    const readable = new ReadableStream({
      pull: (controller) => controller.enqueue(new Float32Array(9)),
      cancel: () => void cancelled++,
    });
    for (const source of [stream, readable]) {
      for await (const _ of streamSound(source as ReadableStream<Float32Array>)) break;
    }
    expect([state.cancelled, cancelled]).toEqual([1, 1]);
  });
});

describe("another decoder is given the whole file from its first byte on", () => {
  test.each([
    ["that is not known", concat([Uint8Array.of(9, 0, 9), bytes])],
    ["that is not read here", fixture("clip.m4a")],
    ["that could not be decoded", concat([fixture("clip-44k-stereo.mp3").subarray(0, 4), new Uint8Array(30_000)])],
    ["that had no sound", concat([fixture("clip.opus").subarray(0, 47)])],
  ])("%s", async (_, file) => {
    for (const source of [file, parts(file)]) {
      const given: Uint8Array[] = [];
      const fallback: Fallback = async function* (stream) {
        for await (const chunk of stream) given.push(chunk.slice());
        yield { channels: [samples.slice()], sampleRate: 16000 };
        return undefined;
      };
      expect(await hear(source, fallback)).toEqual(samples);
      expect(concat(given)).toEqual(file);
    }
  });

  test("but not where its first bytes have been let go, after much without sound", async () => {
    const [head, tags] = pagesOf(fixture("clip.opus"));
    const beside = oggPage([new Uint8Array(65_000)], { stream: 8 }); // no page of the stream that is heard
    function* file() {
      yield* [head, tags];
      for (let i = 0; i < 900; i++) yield beside;
    }
    let asked = false;
    // biome-ignore lint/correctness/useYield: it has no sound
    const fallback: Fallback = async function* () {
      asked = true;
      return "nor is it elsewhere";
    };
    await expect(hear(file(), fallback)).rejects.toThrow(/^x: ogg in which no sound was found$/);
    expect(asked).toBe(false);
  });

  test("an mp4 that is truncated is refused as soon as its end is known", async () => {
    const half = fixture("clip.m4a").subarray(0, 3000);
    for (const source of [half, parts(half), new Blob([half.slice()])]) {
      await expect(hear(source, none)).rejects.toThrow("x: truncated mp4: expected 4474 bytes or more, got 3000");
    }
  });
});
