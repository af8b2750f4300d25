import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { readAudio, streamFile, streamInput } from "../../src/audio/read.ts";
import { joinAudio } from "../../src/audio/stream.ts";
import { chunk, fixture, format, riff, zhHappy } from "./support.ts";

const hasFfmpeg = spawnSync("ffmpeg", ["-version"]).status === 0;
const samples = Float32Array.from(zhHappy().subarray(4800, 20800), (s) => s / 32768);
const noise = Uint8Array.from({ length: 99_999 }, (_, i) => (i * i * 31) % 251);
const folder = mkdtempSync(join(tmpdir(), "sensevoice-stream-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file of these bytes. */
function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** A wav of zeros at 16 kHz. */
const wav = (bytes: number, declared = bytes) =>
  riff([chunk("fmt ", format(1, 1, 16000, 16)), chunk("data", new Uint8Array(bytes), declared)]);

/** Whether this process has the file open. */
const isOpen = (path: string) =>
  readdirSync("/proc/self/fd").some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  });

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("a path, a file: URL, bytes and samples are the same sound", async () => {
  const path = file("clip #1 %41.flac", fixture("clip.flac"));
  for (const source of [path, pathToFileURL(path), fixture("clip.flac"), samples]) {
    expect(await joinAudio(streamInput(source))).toEqual(samples);
  }
});

describe("what cannot be read is refused in one line, under the name that was given", () => {
  test.each<[string | URL, string]>([
    [join(folder, "none.wav"), "a: no such file"],
    [folder, "a: expected a sound file, got a directory"],
    ["/dev/null", "a: expected a sound file, got a device"],
    [join(folder, "a\0b"), "a: cannot be read (ERR_INVALID_ARG_VALUE)"],
    [new URL("https://example.org/a.wav"), "a: cannot be read (ERR_INVALID_URL_SCHEME)"],
    [new URL("file://host/a.wav"), "a: cannot be read (ERR_INVALID_FILE_URL_HOST)"],
  ])("%s", async (source, message) => {
    await expect(joinAudio(streamFile(source, "a"))).rejects.toMatchObject({ name: "SenseVoiceError", message });
  });

  test("a file that nobody may read", async () => {
    const path = file("secret.wav", wav(100));
    spawnSync("chmod", ["000", path]);
    if (process.getuid?.() === 0) return;
    await expect(joinAudio(streamFile(path, "a"))).rejects.toThrow("a: cannot be read (EACCES)");
  });
});

test("a truncated file is refused before its first sample, as its length is known", async () => {
  const path = file("cut.wav", wav(400_000, 500_000));
  await expect(streamFile(path).next()).rejects.toThrow(
    `${path}: truncated wav: expected 500000 bytes of sound, got 400000`,
  );
});

describe.skipIf(process.platform !== "linux")("a file is closed", () => {
  const path = file("long.wav", wav(4_000_000));

  test("when no more of it is wanted", async () => {
    for await (const _ of streamFile(path)) {
      expect(isOpen(path)).toBe(true);
      break;
    }
    expect(isOpen(path)).toBe(false);
  });

  test("at its end, and at an error", async () => {
    expect(await readAudio(path)).toHaveLength(2_000_000);
    expect(isOpen(path)).toBe(false);
    await expect(readAudio(path, "a", 100)).rejects.toThrow("a: expected at most 100 seconds of sound, got 125");
    expect(isOpen(path)).toBe(false);
  });
});

test.skipIf(process.platform === "win32")("a pipe with a name is a stream", async () => {
  const path = join(folder, "pipe");
  expect(spawnSync("mkfifo", [path]).status).toBe(0);
  const written = import("node:fs/promises").then(({ writeFile }) => writeFile(path, fixture("clip.flac")));
  expect(await joinAudio(streamFile(path))).toEqual(samples);
  await written;
});

describe.skipIf(process.platform === "win32")("an ffmpeg in the shape of a script", () => {
  /** AU of float at 16 kHz, mono; one sample of 0.5. */
  const sound = String.raw`printf '.snd\000\000\000\030\377\377\377\377\000\000\000\006\000\000\076\200\000\000\000\001\077\000\000\000'`;
  beforeAll(() => vi.stubEnv("PATH", `${folder}:${process.env.PATH}`));
  afterAll(() => vi.unstubAllEnvs());
  const script = (...lines: string[]) => {
    const start = ["#!/bin/sh", `echo $$ > '${folder}/pid'`, `echo "$@" > '${folder}/args'`];
    writeFileSync(join(folder, "ffmpeg"), [...start, ...lines, ""].join("\n"), { mode: 0o755 });
  };
  const pid = () => Number(readFileSync(join(folder, "pid"), "utf8"));
  const args = () => readFileSync(join(folder, "args"), "utf8");

  /** An endless stream, how much of it was asked for, and whether it is open. */
  function endless() {
    const state = { chunks: 0, open: true };
    async function* stream() {
      try {
        for (; ; state.chunks++) yield noise;
      } finally {
        state.open = false;
      }
    }
    return { stream: stream(), state };
  }

  test("reads an mp4 by itself, anything else from a pipe", async () => {
    script(sound, "cat > /dev/null");
    const mp4 = file("clip.m4a", fixture("clip.m4a"));
    expect(await readAudio(mp4)).toEqual(Float32Array.of(0.5));
    expect(args()).toContain(`-protocol_whitelist file -f mov -i file:${mp4} `);
    for (const source of [file("clip.aac", fixture("clip.aac")), file("noise", noise), fixture("clip.m4a")]) {
      script(sound, `cat > '${folder}/got'`);
      expect(await readAudio(source)).toEqual(Float32Array.of(0.5));
      expect(args()).toContain("-protocol_whitelist pipe -i pipe:0 ");
      expect(args()).not.toContain("file");
      const whole = typeof source === "string" ? readFileSync(source) : source;
      expect(readFileSync(join(folder, "got")).equals(whole)).toBe(true);
    }
  });

  test("is not fed faster than it eats, and is ended with the stream that feeds it", async () => {
    script(sound, "exec sleep 100");
    const { stream, state } = endless();
    for await (const _ of streamInput(stream)) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      break;
    }
    expect(state.open).toBe(false);
    expect(state.chunks).toBeLessThan(10);
    await expect.poll(() => isRunning(pid())).toBe(false);
  });

  test("that ends early is not waited for, though the stream has come to a halt", async () => {
    script("echo 'no idea' >&2", "exit 1");
    const halting = async function* () {
      yield noise;
      await new Promise(() => {});
    };
    await expect(joinAudio(streamInput(halting(), "x"))).rejects.toThrow(
      /^x: not a sound file .*; ffmpeg cannot read it either \(no idea\)$/,
    );
  });

  test("does not hide what its stream throws", async () => {
    script(sound, "cat > /dev/null");
    const failure = new TypeError("the network is down");
    const failing = async function* () {
      yield noise;
      throw failure;
    };
    await expect(joinAudio(streamInput(failing()))).rejects.toBe(failure);
    expect(isRunning(pid())).toBe(false);
  });

  test("does not hide that an mp4 is truncated", async () => {
    script(sound, "cat > /dev/null");
    const half = fixture("clip.m4a").subarray(0, 3000);
    const error = "truncated mp4: expected 4474 bytes or more, got 3000";
    await expect(readAudio(file("half.m4a", half))).rejects.toThrow(error);
    await expect(readAudio(half)).rejects.toThrow(error);
    await expect(joinAudio(streamInput([half.subarray(0, 999), half.subarray(999)]))).rejects.toThrow(error);
  });
});

test.skipIf(!hasFfmpeg)("a long m4a whose table of contents is at its end is read from its path", async () => {
  const path = join(folder, "long.m4a");
  const loud = wav(4_000_000).map((byte, i) => (i < 44 ? byte : (i * i) % 113));
  const made = spawnSync("ffmpeg", ["-v", "error", "-i", file("in.wav", loud), path]);
  expect(made.status).toBe(0);
  expect(readFileSync(path).indexOf("moov")).toBeGreaterThan(40_000);
  expect((await readAudio(path)).length).toBeGreaterThan(1_990_000);
});
