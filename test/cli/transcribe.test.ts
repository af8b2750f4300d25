import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { finish, PLAIN, sensevoice, start, ZH_HAPPY, ZH_HAPPY_TEXT } from "./sensevoice.ts";

const scratch = mkdtempSync(join(tmpdir(), "sensevoice-cli-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const WORD_LINE = /^\[\d\d:\d\d\.\d{3} --> \d\d:\d\d\.\d{3}\] \S+$/;
const JSON_KEYS = [
  ...["file", "duration", "text", "raw", "tokens", "language", "emotion", "events", "words"],
  ...["confidence", "timings", "model", "device", "weights", "segments"],
];

describe("sensevoice FILE...", () => {
  test("one file: its text and nothing else", async () => {
    const { status, stdout, stderr } = await sensevoice([ZH_HAPPY, ...PLAIN]);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${ZH_HAPPY_TEXT}\n`, stderr: "" });
  });

  test("several files, one of them missing, with word times: the others are done, the status is 1", async () => {
    const args = ["transcribe", ...PLAIN, "--timestamps", ZH_HAPPY, "missing.wav", ZH_HAPPY];
    const { status, stdout, stderr } = await sensevoice(args);
    expect(stderr).toBe("error: missing.wav: no such file\n");
    expect(status).toBe(1);
    const lines = stdout.trimEnd().split("\n");
    const half = lines.length / 2;
    for (const [text, ...words] of [lines.slice(0, half), lines.slice(half)]) {
      expect(text).toBe(`${ZH_HAPPY}: ${ZH_HAPPY_TEXT}`);
      for (const word of words) expect(word).toMatch(WORD_LINE);
      expect(words.map((word) => word.split("] ")[1]).join("")).toBe("祝你生日快乐");
    }
  });

  test("standard input to JSON", async () => {
    const args = ["-", "--format", "json", "--timestamps", "--weights", "f32", "--language", "zh", ...PLAIN];
    const { status, stdout, stderr } = await sensevoice(args, { input: readFileSync(ZH_HAPPY) });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^.+\n$/);
    const said = JSON.parse(stdout);
    expect(Object.keys(said)).toEqual(JSON_KEYS);
    expect(said).toMatchObject({
      ...{ file: "-", text: ZH_HAPPY_TEXT, raw: "<|zh|><|HAPPY|><|Speech|><|woitn|>祝你生日快乐" },
      ...{ language: "zh", emotion: "happy", events: ["speech"] },
      ...{ model: "tiny", device: "reference", weights: "f32" },
    });
    expect(said.duration).toBe(26521 / 16000);
    expect(said.tokens).toHaveLength(10);
    expect(Object.keys(said.words[0])).toEqual(["word", "start", "end", "confidence"]);
    expect(Object.keys(said.timings)).toEqual(["features", "encode", "decode", "total"]);
  });

  test("--itn and --ban-emo-unk reach the model", async () => {
    const args = ["samples/applause.wav", "--itn", "--ban-emo-unk", "--format", "json", ...PLAIN];
    const { status, stdout } = await sensevoice(args);
    expect(status).toBe(0);
    const { raw, emotion, words } = JSON.parse(stdout);
    expect(raw).toMatch(/<\|Applause\|><\|withitn\|>/);
    expect(emotion).not.toBe("unknown");
    expect(words).toBeNull();
  });

  test("left to itself: says that the model is a demonstration, and once that there is no GPU", async () => {
    const { status, stdout, stderr } = await sensevoice([ZH_HAPPY, "samples/yue.wav", "--format", "json"]);
    expect(status).toBe(0);
    const said = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(said.map(({ text }) => text)).toEqual([ZH_HAPPY_TEXT, "听日朝早九点返工"]);
    expect(stderr.split("sensevoice download iic/SenseVoiceSmall")).toHaveLength(2);
    expect(stderr.split("note: no GPU found, running on the CPU (").length - 1).toBe(
      said[0].device === "webgpu" ? 0 : 1,
    );
  });
});

describe("--output", () => {
  test("a file per input in a folder that is made", async () => {
    const dir = join(scratch, "new", "folder");
    const args = [ZH_HAPPY, "-", "--output", dir, ...PLAIN];
    const { status, stdout, stderr } = await sensevoice(args, { input: readFileSync(ZH_HAPPY) });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(readdirSync(dir).sort()).toEqual([".sensevoice-journal.jsonl", "stdin.txt", "zh-happy.txt"]);
    expect(readFileSync(join(dir, "zh-happy.txt"), "utf8")).toBe(`${ZH_HAPPY_TEXT}\n`);
  });
});

describe("ends quietly", () => {
  test("when its reader has had enough", async () => {
    const child = start([...PLAIN, ZH_HAPPY, ZH_HAPPY, ZH_HAPPY]);
    child.stdout?.once("data", () => child.stdout?.destroy());
    const { status, stderr } = await finish(child);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  test("on Ctrl-C", async () => {
    const child = start([...PLAIN, ZH_HAPPY, ZH_HAPPY, ZH_HAPPY, ZH_HAPPY]);
    child.stdout?.once("data", () => child.kill("SIGINT"));
    const { signal, stdout, stderr } = await finish(child);
    expect({ signal, stderr }).toEqual({ signal: "SIGINT", stderr: "" });
    expect(stdout.trimEnd().split("\n").length).toBeLessThan(4);
  });
});
