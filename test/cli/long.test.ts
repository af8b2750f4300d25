import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Recording, recordingOf } from "../support/recording.ts";
import { wavOf } from "../support/wav.ts";
import { finish, sensevoice, start } from "./sensevoice.ts";

const scratch = mkdtempSync(join(tmpdir(), "sensevoice-long-cli-"));
const at = (...names: string[]) => join(scratch, ...names);
const CPU = ["--model", "tiny", "--device", "cpu", "--threads", "1"];
const ENERGY = ["--vad", "energy", "--merge-seconds", "0"];
const sample = (name: string) => fileURLToPath(new URL(`../../samples/${name}`, import.meta.url));
const TEXTS = ["开饭时间上午九点至下午五点", "祝你生日快乐😊"];

let recording: Recording;
beforeAll(async () => {
  recording = await recordingOf(["zh.wav", "zh-happy.wav", "zh.wav", "zh-happy.wav"], 8);
  writeFileSync(at("talk.wav"), wavOf(recording.pcm));
  mkdirSync(at("in/day"), { recursive: true });
  copyFileSync(sample("zh.wav"), at("in/zh.wav"));
  copyFileSync(sample("zh-happy.wav"), at("in/day/happy.wav"));
  writeFileSync(at("in/bad.mp3"), "no sound");
});
afterAll(() => rmSync(scratch, { recursive: true }));

describe("a recording of more than 30 s", () => {
  test("is cut by itself; json has the segments, and their raw texts joined", async () => {
    const { status, stdout, stderr } = await sensevoice([at("talk.wav"), ...CPU, "--format", "json", "--timestamps"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const said = JSON.parse(stdout);
    expect(said.duration).toBe(recording.pcm.length / 16_000);
    expect(said.segments.length).toBeGreaterThan(1);
    expect(said.raw).toBe(said.segments.map(({ raw }: { raw: string }) => raw).join(" "));
    expect(said.words.length).toBeGreaterThan(20);
    expect(said.language).toBe("zh");
  });

  test.each([
    ["text", /^开饭时间上午九点至下午五点\n祝你生日快乐😊\n/],
    ["srt", /^1\r\n00:00:07,\d{3} --> 00:00:1\d,\d{3}\r\n开饭时间上午九点至下午五点\r\n\r\n2\r\n/],
    ["vtt", /^WEBVTT\n\n00:00:07\.\d{3} --> /],
    ["tsv", /^start\tend\ttext\n\d+\t\d+\t开饭/],
    ["jsonl", /^\{"file":".*talk\.wav","start":\d/],
    ["ass", /^\[Script Info\]/],
  ])("as %s", async (format, begins) => {
    const { status, stdout, stderr } = await sensevoice([at("talk.wav"), ...CPU, ...ENERGY, "--format", format]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(begins);
    for (const text of TEXTS) expect(stdout.split(text.slice(0, 6))).toHaveLength(format === "jsonl" ? 5 : 3);
  });

  test("emotions as words, or not at all", async () => {
    const said = async (marks: string) =>
      (await sensevoice([at("talk.wav"), ...CPU, ...ENERGY, "--marks", marks])).stdout;
    expect(await said("words")).toContain("祝你生日快乐[开心]\n");
    expect(await said("none")).toContain("祝你生日快乐\n");
  });

  test("a refused option ends the command, even if its input does not", async () => {
    const child = start(["-", ...CPU, "--max-segment-seconds", "0"]);
    child.stdin?.on("error", () => {});
    child.stdin?.write(readFileSync(at("talk.wav")));
    const { status, stderr } = await finish(child);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: "error: -: [engine] maxSegmentSeconds: expected a number from 1 to 1799, got 0\n",
    });
  });

  test("from standard input, as it comes", async () => {
    const child = start(["-", ...CPU, ...ENERGY]);
    const bytes = readFileSync(at("talk.wav"));
    const done = finish(child);
    let early = "";
    child.stdout?.on("data", (text) => {
      early += text;
    });
    const second = 64_000;
    child.stdin?.write(bytes.subarray(0, 44 + 25 * second));
    await expect.poll(() => early, { timeout: 30_000 }).toContain("开饭");
    child.stdin?.end(bytes.subarray(44 + 25 * second));
    const { status, stdout } = await done;
    expect({ status, lines: stdout.split("\n").length }).toEqual({ status: 0, lines: 5 });
  });
});

describe("many sounds", () => {
  test("a folder: results keep their places, a bad file does not stop the rest", async () => {
    const out = at("out");
    const { status, stdout, stderr } = await sensevoice([at("in"), "--output", out, "--format", "srt", ...CPU]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toBe(`error: ${at("in", "bad.mp3")}: not a sound file, it holds text\n`);
    expect(readdirSync(out, { recursive: true }).map(String).sort()).toEqual([
      ".sensevoice-journal.jsonl",
      "day",
      "day/happy.srt",
      "zh.srt",
    ]);
  });

  test("a pattern that matches nothing is one line, and the others are done", async () => {
    const { status, stdout, stderr } = await sensevoice([at("in/*.ogg"), at("in/zh.wav"), ...CPU]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: `${TEXTS[0]}\n` });
    expect(stderr).toBe(`error: ${at("in/*.ogg")}: no file matches this pattern\n`);
  });

  test("subtitles of several sounds need a file for each", async () => {
    const { status, stdout, stderr } = await sensevoice([at("in/zh.wav"), at("in/zh.wav"), "--format", "srt", ...CPU]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toBe(
      "error: --format srt: expected --output DIR or one sound, since a file of this format is of one; got 2 sounds\n",
    );
  });

  test("--resume without --output is refused", async () => {
    const { status, stderr } = await sensevoice([at("in/zh.wav"), "--resume", ...CPU]);
    expect(status).toBe(1);
    expect(stderr).toBe("error: --resume: expected --output DIR, whose journal says what is done; got none\n");
  });
});

test("killed at any moment and resumed, the output is that of an undisturbed run, and nothing done is done again", {
  timeout: 300_000,
}, async () => {
  mkdirSync(at("many"));
  for (let i = 0; i < 8; i++) copyFileSync(sample(i % 2 ? "zh.wav" : "zh-happy.wav"), at("many", `${i}.wav`));
  const command = (out: string, ...more: string[]) => [at("many"), "--output", at(out), ...more, ...CPU];
  const results = (out: string) => {
    const names = readdirSync(at(out))
      .filter((name) => !name.startsWith("."))
      .sort();
    return names.map((name) => [name, readFileSync(at(out, name), "utf8")]);
  };
  expect((await sensevoice(command("undisturbed"))).status).toBe(0);
  let kills = 0;
  for (const after of [1, 2, 4, 7]) {
    const child = start(command("killed", "--resume"));
    const ended = finish(child);
    await expect
      .poll(() => readdirSafe(at("killed")).length >= after || child.exitCode !== null, {
        timeout: 60_000,
        interval: 5,
      })
      .toBe(true);
    child.kill("SIGKILL");
    kills += Number((await ended).signal === "SIGKILL");
  }
  expect(kills).toBeGreaterThan(1);
  const done = readFileSync(at("killed", ".sensevoice-journal.jsonl"), "utf8").split("\n").filter(Boolean).length;
  expect((await sensevoice(command("killed", "--resume"))).status).toBe(0);
  expect(results("killed")).toEqual(results("undisturbed"));
  const lines = readFileSync(at("killed", ".sensevoice-journal.jsonl"), "utf8").split("\n").filter(Boolean);
  expect(new Set(lines).size).toBe(8);
  expect(done).toBeGreaterThan(0);
  expect(lines.length).toBeLessThan(8 + kills + 1);
  expect((await sensevoice(command("killed", "--resume"))).stderr).toBe("");
});

test("what a killed process left in the folder of results is removed; at a signal nothing is left", async () => {
  const out = at("left");
  mkdirSync(out);
  const uuid = "00000000-0000-4000-8000-000000000000";
  const [dead, alive, other] = [
    `.sensevoice-999999999-${uuid}.part`,
    `.sensevoice-${process.pid}-${uuid}.part`,
    ".x.part",
  ];
  for (const name of [dead, alive, other]) writeFileSync(join(out, name), "half");
  // On a busy machine it may take long until a process learns that it has opened a file.
  const slow = `import fs from "node:fs/promises"; import { syncBuiltinESMExports } from "node:module";
    const { open } = fs;
    fs.open = async (...args) => {
      const file = await open(...args);
      await new Promise((resolve) => setTimeout(resolve, String(args[0]).endsWith(".part") ? 2000 : 0));
      return file;
    };
    syncBuiltinESMExports();`;
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(slow)}`;
  const child = start(["-", "--output", out, ...ENERGY, ...CPU], { NODE_OPTIONS });
  const ended = finish(child);
  child.stdin?.on("error", () => {});
  child.stdin?.write(readFileSync(at("talk.wav")).subarray(0, 64_000 * 30));
  const own = () => readdirSync(out).filter((name) => name.startsWith(`.sensevoice-${child.pid}-`));
  await expect.poll(own, { timeout: 30_000 }).toHaveLength(1);
  child.kill("SIGINT");
  expect((await ended).signal).toBe("SIGINT");
  expect(readdirSync(out).sort()).toEqual([alive, other].sort());
});

function readdirSafe(dir: string): string[] {
  try {
    return readdirSync(dir).filter((name) => !name.startsWith("."));
  } catch {
    return [];
  }
}

describe("live", () => {
  const raw = (pcm: Float32Array) => Buffer.from(Int16Array.from(pcm, (x) => Math.round(x * 32767)).buffer);

  test("raw samples on standard input: what is said, a line for each segment", async () => {
    const args = ["live", ...CPU, "--vad", "energy"];
    const { status, stdout, stderr } = await sensevoice(args, { input: raw(recording.pcm) });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.split("\n").filter(Boolean)).toEqual([...TEXTS, ...TEXTS]);
  });

  test("jsonl has partial results too; floats, another rate and two channels are taken", async () => {
    const stereo = new Float32Array(recording.pcm.length * 4);
    for (const [i, x] of recording.pcm.entries()) stereo.fill(x, 4 * i, 4 * i + 4); // 32 kHz by repetition, twice
    const args = ["live", ...CPU, "--vad", "energy", "--format", "jsonl"];
    const child = start([...args, "--encoding", "f32le", "--rate", "32000", "--channels", "2"]);
    const done = finish(child);
    const bytes = Buffer.from(stereo.buffer);
    const step = 32_000 * 8 * 0.2;
    for (let from = 0; from < bytes.length; from += step) {
      child.stdin?.write(bytes.subarray(from, from + step));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    child.stdin?.end();
    const { status, stdout } = await done;
    expect(status).toBe(0);
    const results = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(results.filter(({ final }) => final).map(({ language }) => language)).toEqual(["zh", "zh", "zh", "zh"]);
    expect(results.some(({ final }) => !final)).toBe(true);
  });
});

describe("vad", () => {
  test("json: one line a file, a bad one does not stop the rest", async () => {
    const args = ["vad", at("in/bad.mp3"), at("talk.wav"), "--vad", "energy", "--format", "json"];
    const { status, stdout, stderr } = await sensevoice(args);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `error: ${at("in/bad.mp3")}: not a sound file, it holds text\n`,
    });
    const { file, segments } = JSON.parse(stdout);
    expect(file).toBe(at("talk.wav"));
    expect(segments).toHaveLength(4);
    for (const [i, [start, end]] of segments.entries()) {
      expect(Math.abs(start / 1000 - recording.places[i][0])).toBeLessThan(0.6);
      expect(end).toBeGreaterThan(start);
    }
  });

  test("text: a line for each segment", async () => {
    const { status, stdout } = await sensevoice(["vad", at("talk.wav"), "--vad", "energy"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^(00:\d\d\.\d{3} --> 00:\d\d\.\d{3}\n){4}$/);
  });

  test("a limit that is none is refused", async () => {
    const { status, stderr } = await sensevoice(["vad", at("talk.wav"), "--vad", "none", "--max-segment-seconds", "0"]);
    expect(status).toBe(1);
    expect(stderr).toBe("error: [engine] maxSegmentSeconds: expected a number from 1 to 1799, got 0\n");
  });

  test("fsmn without a model says how to get one", async () => {
    const { status, stderr } = await sensevoice(["vad", at("talk.wav"), "--vad", "fsmn", "--model", "tiny"]);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^error: \[vad\] fsmn: expected a voice activity model, found none; run: sensevoice download /,
    );
  });
});
