import { describe, expect, test } from "vitest";
import { aiffSeeds, wavSeeds } from "../../scripts/fuzz/seeds.ts";
import type { ByteStream } from "../../src/audio/input.ts";
import { joinAudio, streamAudio } from "../../src/audio/stream.ts";
import { chunk, concat, fixture, format, riff } from "./support.ts";

const ascii = (text: string) => new TextEncoder().encode(text);

/** The bytes in chunks of one length, all in the same array, as a producer may do that fills it again and again. */
async function* inChunks(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(length);
  for (let at = 0; at < bytes.length; at += length) {
    const part = bytes.subarray(at, at + length);
    buffer.fill(0xaa).set(part);
    yield buffer.subarray(0, part.length);
  }
}

/** The samples, or the error's message. */
const outcome = (file: Uint8Array | AsyncIterable<Uint8Array>) =>
  joinAudio(streamAudio(file, "x")).catch((error: Error) => `${error.name}: ${error.message}`);

/** Footer of an APE tag, or its header: its size counts the items and the footer. */
function ape(size: number, flags: number): Uint8Array {
  const out = new Uint8Array(32);
  out.set(ascii("APETAGEX"));
  const view = new DataView(out.buffer);
  view.setUint32(8, 2000, true);
  view.setUint32(12, size, true);
  view.setUint32(20, flags, true);
  return out;
}
/** With a header, as most have it, 100 KB long. */
const apeTag = concat([ape(100_032, 0xa000_0000), new Uint8Array(100_000).fill(0xff), ape(100_032, 0x8000_0000)]);
const id3v1 = concat([ascii("TAG"), new Uint8Array(125)]);
const id3v2 = concat([ascii("ID3"), Uint8Array.of(4, 0, 0, 0, 1, 2, 3), new Uint8Array(128 * 128 + 2 * 128 + 3)]);

const fmt = chunk("fmt ", format(1, 1, 16000, 16));
const data = (length: number) => chunk("data", new Uint8Array(3000).fill(7), length);
const [aiff] = aiffSeeds().map(({ bytes }) => bytes);
const common = aiff.subarray(12, 12 + 26);
const mp3 = fixture("clip-44k-stereo.mp3");
const flac = fixture("clip.flac");
const noise = Uint8Array.from({ length: 9999 }, (_, i) => (i * i * 31) % 251);
const spoilt = (file: string, at: number) => fixture(file).map((byte, i) => (i === at ? byte ^ 1 : byte));

const SOUNDS: Readonly<Record<string, Uint8Array>> = {
  ...Object.fromEntries([...wavSeeds(), ...aiffSeeds()].map(({ name, bytes }) => [name, bytes])),
  ...Object.fromEntries(
    ["sphere-be.sph", "sphere-ulaw.sph", "clip.mp3", "clip.flac", "clip.ogg", "clip.opus", "clip-flac.ogg"].map(
      (name) => [name, fixture(name)],
    ),
  ),
  "clip-44k-stereo.mp3": mp3,
  "a wav whose data have length 0": riff([fmt, data(0)], "RIFF", 0),
  "a wav whose lengths are all ones": riff([fmt, data(0xffffffff)], "RIFF", 0xffffffff),
  "a wav whose header counts no data": riff([fmt, data(0)], "RIFF", 36),
  "a wav with a long list in front": riff([chunk("LIST", new Uint8Array(200_001)), fmt, data(3000), fmt]),
  "an aiff with its sound in front": concat([aiff.subarray(0, 12), aiff.subarray(12 + 26), common]),
  "an mp3 with a tag in front": concat([id3v2, mp3]),
  "an mp3 with tags behind": concat([mp3, ape(6000, 0).fill(0), new Uint8Array(6000 - 64), ape(6000, 0), id3v1]),
  "an mp3 with a long tag behind": concat([mp3, apeTag, id3v1]),
  "an mp3 with a tag's name within": concat([mp3.subarray(0, 6000), ascii("APETAGEX"), mp3.subarray(6008)]),
  "a flac with tags": concat([id3v2, flac, apeTag, id3v1]),
};
const REFUSED: Readonly<Record<string, Uint8Array>> = {
  nothing: new Uint8Array(0),
  text: ascii("<!doctype html>".repeat(50)),
  noise,
  "a stub of a wav": riff([fmt]).subarray(0, 30),
  "a wav without sound": riff([fmt, chunk("data", new Uint8Array(0)), chunk("LIST", new Uint8Array(3000))]),
  "a wav without format": riff([data(3000)]),
  "a wav of an unknown encoding": riff([chunk("fmt ", format(0x11, 1, 16000, 8)), data(3000)]),
  "an aiff without sound": concat([aiff.subarray(0, 12), common]),
  "an aiff with fewer samples than it says": concat([
    aiff.subarray(0, 22),
    Uint8Array.of(0, 0, 99, 99),
    aiff.subarray(26),
  ]),
  mp4: fixture("clip.m4a"),
  webm: fixture("clip.webm"),
  aac: fixture("clip.aac"),
  "a flac with a wrong bit": spoilt("clip.flac", 15_000),
  "an ogg with a wrong bit": spoilt("clip.ogg", 5000),
  "an opus without an inner part": concat([
    fixture("clip.opus").subarray(0, 1000),
    fixture("clip.opus").subarray(1500),
  ]),
  "an mp3 with noise within": concat([mp3.subarray(0, 5000), noise, mp3.subarray(5000)]),
  "a tag without sound": id3v2,
};
/** Where a file may be cut without harm, or not. */
const CUT = Object.fromEntries(
  Object.entries(SOUNDS)
    .filter(([name]) => /^\S+$/.test(name))
    .flatMap(([name, bytes]) => [
      [`half of ${name}`, bytes.subarray(0, bytes.length / 2)],
      [`${name} but for a byte`, bytes.subarray(0, -1)],
    ]),
);

describe.each(Object.entries({ ...SOUNDS, ...REFUSED, ...CUT }))("%s", (name, bytes) => {
  test("is the same in chunks of any length", async () => {
    const whole = await outcome(bytes);
    if (name in SOUNDS) expect(whole).toBeInstanceOf(Float32Array);
    if (name in REFUSED) expect(whole).toMatch(/^SenseVoiceError: x: /);
    for (const length of [1, 7, 4096, bytes.length + 1]) {
      expect(await outcome(inChunks(bytes, length)), `chunks of ${length}`).toEqual(whole);
    }
    const file = Object.assign(inChunks(bytes, 999), { size: bytes.length });
    expect(await outcome(file), "of a file whose length is known").toEqual(whole);
  });
});

/** The error, and the samples before it. */
async function refused(file: Uint8Array | ByteStream): Promise<{ message: string; samples: number }> {
  let samples = 0;
  try {
    for await (const piece of streamAudio(file, "x")) samples += piece.length;
  } catch (error) {
    return { message: (error as Error).message, samples };
  }
  throw new Error("it was not refused");
}

describe("what is truncated", () => {
  const long = riff([fmt, chunk("data", new Uint8Array(400_000), 500_000)]);
  const cut = {
    wav: [long, "x: truncated wav: expected 500000 bytes of sound, got 400000"],
    mp3: [fixture("clip.mp3").subarray(0, 2000), "x: truncated mp3: expected 3079 bytes or more, got 2000"],
  } as const;

  test.each(Object.entries(cut))("%s is refused at once where its length is known", async (_, [bytes, message]) => {
    expect(await refused(bytes)).toEqual({ message, samples: 0 });
    const file = Object.assign(inChunks(bytes, 1000), { size: bytes.length });
    expect(await refused(file)).toEqual({ message, samples: 0 });
  });

  test("wav is heard to its end where its length is not known", async () => {
    expect(await refused(inChunks(long, 1000))).toEqual({ message: cut.wav[1], samples: 200_000 });
  });

  test("file is refused that has become shorter while it is read", async () => {
    const file = Object.assign(inChunks(long, 1000), { size: long.length + 100_000 });
    expect(await refused(file)).toEqual({ message: cut.wav[1], samples: 200_000 });
  });
});

test("no more is held than is needed: a header or a tag of more than 64 MiB is refused", async () => {
  async function* endless(start: Uint8Array) {
    yield start;
    for (;;) yield new Uint8Array(2 ** 20);
  }
  const list = riff([chunk("LIST", new Uint8Array(0), 2 ** 30)]);
  const tag = concat([ascii("ID3"), Uint8Array.of(4, 0, 0, 127, 127, 127, 127)]);
  for (const start of [list, tag]) {
    expect((await refused(endless(start))).message).toBe(
      "x: expected a header, tag or frame of at most 67108864 bytes",
    );
  }
});
