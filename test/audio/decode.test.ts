import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, test, vi } from "vitest";
import { TOLERANCE } from "../support/tolerances.ts";
import {
  chunk,
  concat,
  correlation,
  decodeWhole,
  fixture,
  format,
  pagesOf,
  riff,
  sealPage,
  zhHappy,
} from "./support.ts";

/** What was encoded: see fixtures/README.md. */
const source = Float32Array.from(zhHappy().subarray(4800, 20800), (s) => s / 32768);

// Decoders print lines of their own where sound is damaged.
const print = vi.spyOn(console, "error");
afterEach(() => expect(print).not.toHaveBeenCalled());

/** A fallback that finds this sound. */
const sound = { channels: [Float32Array.of(0.5)], sampleRate: 8000 };
async function* found() {
  yield sound;
  return undefined;
}

test.each(["clip.flac", "clip-flac.ogg"])("%s is exact", async (name) => {
  const { channels, sampleRate } = await decodeWhole(fixture(name));
  expect(sampleRate).toBe(16000);
  expect(channels).toEqual([source]);
});

test("wav, aiff and sph need no fallback", async () => {
  const [left, right] = [Float32Array.of(0.5, -1), Float32Array.of(0.25, 0)];
  const wav = riff([chunk("fmt ", format(1, 2, 8000, 16)), chunk("data", Uint8Array.of(0, 64, 0, 32, 0, 128, 0, 0))]);
  expect(await decodeWhole(wav)).toEqual({ channels: [left, right], sampleRate: 8000 });
  const comm = Uint8Array.of(0, 2, 0, 0, 0, 2, 0, 16, 0x40, 11, 0xfa, 0, 0, 0, 0, 0, 0, 0);
  const ssnd = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 32, 0, 128, 0, 0, 0);
  const swapped = (part: Uint8Array) => concat([part.subarray(0, 4), part.slice(4, 8).reverse(), part.subarray(8)]);
  const parts = [swapped(chunk("COMM", comm)), swapped(chunk("SSND", ssnd))];
  const aiff = swapped(chunk("FORM", concat([new TextEncoder().encode("AIFF"), ...parts])));
  expect(await decodeWhole(aiff)).toEqual({ channels: [left, right], sampleRate: 8000 });
  const { channels } = await decodeWhole(fixture("sphere-le.sph"));
  expect(await decodeWhole(fixture("sphere-be.sph"))).toEqual({ channels, sampleRate: 16000 });
});

test.each([
  ["clip.mp3", 16000, 16000, TOLERANCE.likeness.mp3],
  ["clip.ogg", 16000, 16000, TOLERANCE.likeness.vorbis],
  ["clip.opus", 48000, 48000, TOLERANCE.likeness.opus],
])("%s is the source again, in time and in length", async (name, rate, length, likeness) => {
  const { channels, sampleRate } = await decodeWhole(fixture(name));
  expect(sampleRate).toBe(rate);
  for (const channel of channels) expect(channel).toEqual(channels[0]); // the mp3 decoder doubles mono
  expect(channels[0].length).toBe(length);
  const step = rate / 16000;
  expect(
    correlation(
      channels[0].filter((_, i) => i % step === 0),
      source,
    ),
  ).toBeGreaterThan(likeness);
});

test("mp3 without a Xing header keeps the decoder's delay", async () => {
  const { channels, sampleRate } = await decodeWhole(fixture("clip-44k-stereo.mp3"));
  expect(sampleRate).toBe(44100);
  const delayed = channels[0].subarray(1105);
  const atSource = (_: number, i: number) => delayed[Math.round((i * 44100) / 16000)] ?? 0;
  expect(correlation(source.map(atSource), source)).toBeGreaterThan(TOLERANCE.likeness.mp3);
});

test.each([
  ["clip.m4a", "mp4"],
  ["clip.webm", "webm"],
  ["clip.aac", "aac"],
])("%s is left to the fallback", async (name, format) => {
  expect(await decodeWhole(fixture(name), name, found)).toEqual(sound);
  await expect(decodeWhole(fixture(name), name)).rejects.toThrow(
    `${name}: ${format} is not read here, but wav, mp3, flac, ogg (vorbis, opus), aiff and sph`,
  );
});

describe("damage is one line that names the file", () => {
  test.each([
    ["clip.flac", "truncated or damaged flac: expected 16000 samples, got "],
    ["clip-flac.ogg", "truncated ogg: it ends inside the page at byte "],
    ["clip.ogg", "truncated ogg: it ends inside the page at byte "],
    ["clip.opus", "truncated ogg: it ends inside the page at byte "],
    ["clip.mp3", "truncated mp3: expected "],
    ["clip.m4a", "truncated mp4: expected "],
    ["clip.webm", "truncated webm: expected "],
  ])("the first half of %s", async (name, message) => {
    const whole = fixture(name);
    const half = whole.subarray(0, whole.length / 2);
    await expect(decodeWhole(half, "half")).rejects.toThrow(`half: ${message}`);
  });

  test.each(["clip.ogg", "clip.opus"])("one wrong byte in %s fails its page's checksum", async (name) => {
    const bytes = fixture(name);
    bytes[bytes.length - 100] ^= 1;
    await expect(decodeWhole(bytes, "bad")).rejects.toThrow("bad: damaged ogg: the page at byte ");
  });

  test.each([
    ["clip.ogg", "the packet is not an audio packet"],
    ["clip.opus", "OPUS_INVALID_PACKET"],
  ])("packets of %s that are spoilt though their page's checksum is right", async (name, reason) => {
    const pages = pagesOf(fixture(name));
    for (const page of pages.slice(2)) {
      for (let i = 27 + page[26]; i < page.length; i++) if (i % 7 === 0) page[i] ^= i * 75;
      sealPage(page);
    }
    await expect(decodeWhole(concat(pages), "bad")).rejects.toThrow(
      new RegExp(`^bad: ogg that cannot be decoded \\(.*${reason}.*\\)$`),
    );
  });

  test("a flac with noise in its middle", async () => {
    const bytes = fixture("clip.flac").map((byte, i) => (i > 10000 && i < 20000 ? (i * 75) ^ byte : byte));
    await expect(decodeWhole(bytes, "bad")).rejects.toThrow("bad: truncated or damaged flac: expected 16000");
  });

  test("an mp3 with noise or with nothing in its middle", async () => {
    const whole = concat([fixture("clip-44k-stereo.mp3"), fixture("clip-44k-stereo.mp3")]);
    const spoil = (byte: (i: number) => number) => whole.map((b, i) => (i > 6000 && i < 9000 ? byte(i) : b));
    for (const bytes of [spoil((i) => (i * i * 31) % 251), spoil(() => 0)]) {
      await expect(decodeWhole(bytes, "bad")).rejects.toThrow(/^bad: damaged mp3: .+$/);
    }
    expect(console.error).toBe(print);
  });

  test.each(["clip.flac", "clip.mp3", "clip.ogg", "clip.m4a", "clip.webm", "clip.aac"])(
    "nothing but the beginning of %s",
    async (name) => {
      const error = await decodeWhole(fixture(name).subarray(0, 64), "stub").catch((e: unknown) => e);
      expect(error).toMatchObject({ name: "SenseVoiceError", message: expect.stringMatching(/^stub: .*$/) });
    },
  );
});

describe("what is no sound", () => {
  const noise = Uint8Array.from({ length: 999 }, (_, i) => (i * i * 31) % 251);

  test("nothing at all, text, another type", async () => {
    await expect(decodeWhole(new Uint8Array(0), "a.wav")).rejects.toThrow(
      "a.wav: expected a sound file, got an empty one",
    );
    const page = new TextEncoder().encode("<!doctype html><title>404 — 找不到</title>".repeat(20));
    await expect(decodeWhole(page, "a.wav")).rejects.toThrow("a.wav: not a sound file, it holds text");
    const inside = new TextEncoder().encode("好".repeat(200)); // byte 512 is inside a character
    await expect(decodeWhole(inside, "a.wav")).rejects.toThrow("a.wav: not a sound file, it holds text");
    await expect(decodeWhole([1, 2] as unknown as Uint8Array)).rejects.toThrow("in a Uint8Array");
  });

  test("without a fallback the error says what is read", async () => {
    await expect(decodeWhole(noise, "a.xyz")).rejects.toThrow(
      "a.xyz: not a sound file that is known: wav, mp3, flac, ogg (vorbis, opus), aiff and sph",
    );
  });

  test("a fallback is asked, and what it says is passed on", async () => {
    expect(await decodeWhole(noise, "a.xyz", found)).toEqual(sound);
    // biome-ignore lint/correctness/useYield: it has no sound
    const none = async function* () {
      return "nor is it elsewhere";
    };
    await expect(decodeWhole(noise, "a.xyz", none)).rejects.toThrow(
      /^a\.xyz: not a sound file .*; nor is it elsewhere$/,
    );
  });
});

test("bytes of another realm", async () => {
  const foreign = runInNewContext("Uint8Array.from(bytes)", { bytes: [...fixture("clip.flac")] });
  expect(foreign instanceof Uint8Array).toBe(false);
  expect((await decodeWhole(foreign)).channels).toEqual([source]);
});

test("tags at the end of an mp3, however large, are no damage", async () => {
  const ape = new Uint8Array(6000);
  const footer = new DataView(ape.buffer, 6000 - 32);
  ape.set(new TextEncoder().encode("APETAGEX"), 6000 - 32);
  footer.setUint32(12, 6000, true);
  const id3 = new Uint8Array(128);
  id3.set(new TextEncoder().encode("TAG"));
  const mp3 = fixture("clip-44k-stereo.mp3");
  expect(await decodeWhole(concat([mp3, ape, id3]))).toEqual(await decodeWhole(mp3));
});

test("an ID3 tag in front does not hide what follows", async () => {
  const tag = new Uint8Array(10 + 300);
  tag.set([0x49, 0x44, 0x33, 4, 0, 0, 0, 0, 2, 44]); // ID3, version 4, length 2·128 + 44
  const mp3 = fixture("clip-44k-stereo.mp3");
  expect(await decodeWhole(concat([tag, mp3]))).toEqual(await decodeWhole(mp3));
});
