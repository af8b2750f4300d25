import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { readAudio } from "../../src/node.ts";
import { hasGpu } from "../support/gpu.ts";
import { describeRedis, startRedis } from "../support/redis.ts";
import { startProgram } from "../support/service.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const SOUND = "samples/zh-happy.wav";
const TEXT = "祝你生日快乐😊"; // samples/expected.jsonl

const EXPECTED: Record<string, { args: string[]; output: RegExp }> = {
  "abort.ts": { args: [SOUND], output: RegExp(`^given up: the user pressed stop\n${TEXT}\n$`) },
  "batch.ts": { args: [SOUND, SOUND], output: RegExp(`^(${SOUND} \\(zh\\): ${TEXT}\n){2}$`) },
  "emotion.ts": {
    args: [SOUND],
    output: RegExp(`<\\|HAPPY\\|>.*\n.* ${TEXT}\nlanguage zh, emotion happy, events speech\n$`),
  },
  "jsonLines.ts": {
    args: ["missing.wav", SOUND],
    output: RegExp(`^{"file":"missing.wav","error":"missing.wav: no such file"}\n{.*"text":"${TEXT}".*}\n$`),
  },
  "live.ts": { args: [], output: RegExp(`^(… .*\n)*${TEXT}\n$`) },
  "longSound.ts": { args: [SOUND], output: /^0\.\d–\d\.\d s \(zh\) .+\n/ },
  "own-kernel.ts": { args: [], output: /^1\.7616\n$/ },
  "own-model.ts": { args: [], output: /^(0 1 1 0\n){2}$/ },
  "subtitles.ts": {
    args: [SOUND],
    output: /^1\r\n00:00:00,\d{3} --> 00:00:0\d,\d{3}\r\n祝你生日快乐\[开心\]\r\n\r\n$/,
  },
  "timestamps.ts": { args: [SOUND], output: /^(\d\.\d\d–\d\.\d\d s {2}\d+ % {2}[祝你生日快乐]\n){6}$/ },
  "transcribe.ts": { args: [SOUND], output: RegExp(`^${TEXT.slice(0, 6)}.*\n$`) },
};

test("every example is run here", () => {
  const programs = readdirSync(`${root}examples`).filter((name) => name.endsWith(".ts"));
  expect(programs.sort()).toEqual([...Object.keys(EXPECTED), "bullmqProducer.ts"].sort());
});

describeRedis("with a queue", () => {
  test("examples/bullmqProducer.ts", async () => {
    const redis = await startRedis();
    const worker = await startProgram(["worker", "--queue", redis.url, "--model", "tiny", "--device", "cpu"]);
    try {
      const command = ["--import", "tsx", "examples/bullmqProducer.ts", redis.url, SOUND];
      const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: root });
      expect(stdout).toBe(`${TEXT}\n`);
    } finally {
      await worker.stop("SIGKILL");
      await redis.stop();
    }
  });
});

const NEEDS_GPU = ["own-kernel.ts"];

for (const [name, { args, output }] of Object.entries(EXPECTED)) {
  const run = NEEDS_GPU.includes(name) ? test.skipIf(!hasGpu) : test;
  run(`examples/${name}`, async () => {
    const command = ["--import", "tsx", `examples/${name}`, ...args];
    const running = promisify(execFile)(process.execPath, command, { cwd: root });
    const pcm = await readAudio(`${root}${SOUND}`);
    running.child.stdin?.end(name === "live.ts" ? Buffer.from(pcm.buffer) : "");
    const { stdout } = await running;
    expect(stdout).toMatch(output);
  });
}
