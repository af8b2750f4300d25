import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

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
  "timestamps.ts": { args: [SOUND], output: /^(\d\.\d\d–\d\.\d\d s {2}\d+ % {2}[祝你生日快乐]\n){6}$/ },
  "transcribe.ts": { args: [SOUND], output: RegExp(`^${TEXT.slice(0, 6)}.*\n$`) },
};

test("every example is run here", () => {
  expect(readdirSync(`${root}examples`).sort()).toEqual(Object.keys(EXPECTED));
});

test.each(Object.entries(EXPECTED))("examples/%s", async (name, { args, output }) => {
  const command = ["--import", "tsx", `examples/${name}`, ...args];
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: root });
  expect(stdout).toMatch(output);
});
