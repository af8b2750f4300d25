import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { readAudio } from "../../src/audio/read.ts";
import { TOLERANCE } from "../support/tolerances.ts";
import { chunk, correlation, fixture, format, riff, zhHappy } from "./support.ts";

const hasFfmpeg = spawnSync("ffmpeg", ["-version"]).status === 0;
const source = Float32Array.from(zhHappy().subarray(4800, 20800), (s) => s / 32768);
const floatWav = (...samples: number[]) =>
  riff([chunk("fmt ", format(3, 1, 16000, 32)), chunk("data", new Uint8Array(Float32Array.from(samples).buffer))]);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sensevoice-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("a path, or the bytes, give the same mono samples at 16 kHz", async () => {
  const path = fileURLToPath(new URL("../../samples/zh-happy.wav", import.meta.url));
  const pcm = await readAudio(path);
  expect(pcm).toEqual(Float32Array.from(zhHappy(), (s) => s / 32768));
  expect(await readAudio(fixture("clip.flac"))).toEqual(source);
});

test("48 kHz Opus and stereo at 44.1 kHz come out in step with the source", async () => {
  const opus = await readAudio(fixture("clip.opus"));
  expect(opus.length).toBe(16000);
  expect(correlation(opus, source)).toBeGreaterThan(TOLERANCE.likeness.opus);
  const mp3 = await readAudio(fixture("clip-44k-stereo.mp3"));
  expect(correlation(mp3.subarray(Math.round((1105 * 16000) / 44100)), source)).toBeGreaterThan(TOLERANCE.likeness.mp3);
});

test("the content decides, not the name", async () => {
  const path = join(folder, "really-flac.wav");
  writeFileSync(path, fixture("clip.flac"));
  expect(await readAudio(path)).toEqual(source);
});

describe("an error is one line that names the file", () => {
  test("no such file, a directory, nothing in it", async () => {
    await expect(readAudio("/no/such.wav")).rejects.toThrow("/no/such.wav: no such file");
    await expect(readAudio(folder)).rejects.toThrow(`${folder}: expected a sound file, got a directory`);
    const path = join(folder, "empty.wav");
    writeFileSync(path, "");
    await expect(readAudio(path)).rejects.toThrow(`${path}: expected a sound file, got an empty one`);
  });

  test.each([
    ["no samples", floatWav(), "audio: expected sound, got 0 samples"],
    ["NaN", floatWav(0, 0, Number.NaN), "audio: expected finite samples, got NaN at sample 2"],
    ["∞", floatWav(Number.POSITIVE_INFINITY), "audio: expected finite samples, got Infinity at sample 0"],
  ])("%s", async (_, bytes, message) => {
    await expect(readAudio(bytes)).rejects.toThrow(message);
  });
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("ffmpeg", () => {
  // Sun's AU: magic, offset of the data, its length, encoding 3 (16-bit PCM), rate, channels; big-endian.
  const header = [0x2e736e64, 24, 32000, 3, 16000, 1];
  const au = new DataView(new ArrayBuffer(24 + 32000));
  for (const [i, word] of header.entries()) au.setUint32(4 * i, word);
  for (const [i, x] of source.entries()) au.setInt16(24 + 2 * i, x * 32768);
  const auBytes = new Uint8Array(au.buffer);

  test.skipIf(!hasFfmpeg)("reads what is not read here", async () => {
    expect(await readAudio(auBytes)).toEqual(source);
  });

  test.skipIf(!hasFfmpeg).each(["clip.m4a", "clip.webm", "clip.aac"])("reads %s", async (name) => {
    const pcm = await readAudio(fixture(name));
    expect(pcm.length).toBeGreaterThan(15900);
    expect(pcm.length).toBeLessThan(18000);
    const start = name === "clip.aac" ? 1024 : 0; // without a container the encoder's delay stays
    expect(correlation(pcm.subarray(start, start + 15900), source.subarray(0, 15900))).toBeGreaterThan(
      TOLERANCE.likeness.aac,
    );
  });

  test.skipIf(!hasFfmpeg)("says why it cannot", async () => {
    const noise = Uint8Array.from({ length: 999 }, (_, i) => (i * i * 31) % 251);
    await expect(readAudio(noise)).rejects.toThrow(
      /^audio: not a sound file that is known: .*; ffmpeg cannot read it either \(.+\)$/,
    );
  });

  describe.skipIf(process.platform === "win32")("in the shape of a script", () => {
    /** AU of float at 16 kHz, mono; its sound begins behind a note of 8 bytes. */
    const au = String.raw`printf '.snd\000\000\000\040\377\377\377\377\000\000\000\006\000\000\076\200\000\000\000\001notenote'`;
    const half = String.raw`printf '\077\000\000\000'`;
    beforeAll(() => vi.stubEnv("PATH", `${folder}:${process.env.PATH}`));
    afterAll(() => vi.unstubAllEnvs());
    const script = (...lines: string[]) =>
      writeFileSync(join(folder, "ffmpeg"), ["#!/bin/sh", ...lines, ""].join("\n"), { mode: 0o755 });

    test("its sound is read in whatever pieces it comes", async () => {
      script(au, half, "sleep 0.1", String.raw`printf '\277'`, "sleep 0.1", String.raw`printf '\000\000\000'`, half);
      expect(await readAudio(auBytes)).toEqual(Float32Array.of(0.5, -0.5, 0.5));
    });

    test.each([
      ["goes on", "while printf '%04096d' 0; do :; done"],
      ["falls silent", "head -c 400000 /dev/zero; exec sleep 60"],
    ])("it is ended once it has told more than is wanted, if it %s", async (_, after) => {
      script(`echo $$ > '${folder}/pid'`, au, after);
      await expect(readAudio(auBytes, "x.au", 5)).rejects.toThrow("x.au: expected at most 5 seconds of sound, got 6");
      const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
      await expect.poll(() => isRunning(pid)).toBe(false);
    });

    test("sound that ends in an error is no sound", async () => {
      script(au, half, "echo '[au @ 0x1] broken in the middle' >&2", "exit 1");
      await expect(readAudio(auBytes, "x.au")).rejects.toThrow(
        /^x\.au: not a sound file .*; ffmpeg cannot read it either \(broken in the middle\)$/,
      );
    });

    test("no sound at all is none either", async () => {
      script("exit 0");
      await expect(readAudio(auBytes, "x.au")).rejects.toThrow("ffmpeg cannot read it either (exit status 0)");
    });
  });

  test("is asked for where there is none", async () => {
    vi.stubEnv("PATH", join(folder, "nothing"));
    await expect(readAudio(auBytes)).rejects.toThrow(
      /^audio: not a sound file that is known: wav, .*; an ffmpeg on the PATH would read more, and there is none$/,
    );
    vi.unstubAllEnvs();
  });
});
