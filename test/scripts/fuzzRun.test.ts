import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeCase } from "../../scripts/fuzz/case.ts";
import { expectNothingLost, judgeOutput } from "../../scripts/fuzz/commandLine.ts";
import { Finding, judgeError, messageFault, signature } from "../../scripts/fuzz/judge.ts";
import { LIMIT_MB, Runner } from "../../scripts/fuzz/runner.ts";
import { SenseVoiceError } from "../../src/error.ts";

describe("judgement", () => {
  test("a SenseVoiceError of one line is a refusal; anything else is a finding", () => {
    expect(judgeError(new SenseVoiceError("a.wav: expected sound, got none")).kind).toBe("refused");
    expect(judgeError(new TypeError("x")).message).toBe("TypeError: x");
    expect(judgeError("text").message).toBe("no Error: text");
    expect(judgeError(new Finding("lost: a"))).toMatchObject({ kind: "finding", message: "lost: a" });
    expect(judgeError(Object.assign(new SenseVoiceError("x"), { message: "a\nb" })).message).toBe(
      "a message of several lines: a\nb",
    );
  });

  test("messages", () => {
    expect(messageFault("[wav] data: expected 3, got 4: 什么…")).toBeUndefined();
    expect(messageFault("a\u2028b")).toBe("of several lines");
    expect(messageFault("a\u001b[31m")).toBe("with control characters");
    expect(messageFault("a\u0085b")).toBe("with control characters");
    expect(messageFault("x".repeat(600))).toBeUndefined();
    expect(messageFault("x".repeat(601))).toBe("of 601 characters");
    expect(messageFault(" ")).toBe("that is empty");
  });

  test("findings of one cause have one signature", () => {
    const finding = (message: string, where: string) => ({ kind: "finding", message, where }) as const;
    const a = signature("wav", finding("a message of 700 characters: xyz", "src/a.ts:3"));
    expect(a).toBe("wav: a message of N characters (src/a.ts:3)");
    expect(signature("wav", finding("a message of 900 characters: abc", "src/a.ts:3"))).toBe(a);
    expect(signature("wav", finding("a message of 900 characters: abc", "src/b.ts:3"))).not.toBe(a);
  });

  test("what a command may print", () => {
    judgeOutput(0, "note: using tiny\n");
    judgeOutput(1, "error: a.wav: no such file\n");
    judgeOutput(1, "Usage: sensevoice [options] FILE...\n\nmore help\n");
    for (const [status, stderr, message] of [
      [null, "", "exit status null"],
      [134, "error: x\n", "exit status 134"],
      [0, "mpg123: warning\n", "on stderr: mpg123"],
      [1, "error: a\n    at main.ts:1\n", "on stderr:     at main"],
      [1, "error: a\u0007\n", "control characters"],
      [1, "error: x (a bug in sensevoice: …)\n", "called a bug"],
      [1, "error: x", "without a newline"],
      [1, "", "without an error"],
    ] as const) {
      expect(() => judgeOutput(status, stderr), stderr).toThrow(message);
    }
  });

  test("what a command may replace", () => {
    const before = new Map(
      Object.entries({ "clip.wav": "1", "notes.txt": "2", "toy/config.json": "3", "old/config.json": "4" }),
    );
    const after = (changes: Record<string, string | undefined>) => {
      return new Map(
        Object.entries({ ...Object.fromEntries(before), ...changes }).filter(([, v]) => v) as [string, string][],
      );
    };
    const lost = (args: string[], changes: Record<string, string | undefined>) => () =>
      expectNothingLost(args, before, after(changes));
    lost(["clip.wav"], {})();
    lost(["quantize", "toy", "--out", "old"], { "old/config.json": "9", "old/x": "1" })();
    lost(["convert", "funasr", "old"], { "old/config.json": "9" })();
    lost(["eval", "m.jsonl", "--output", "notes.txt"], { "notes.txt": "9" })();
    lost(["clip.wav", "--output", ".mine"], { ".mine/clip.txt": "9" })();
    expect(lost(["clip.wav"], { "notes.txt": undefined })).toThrow("lost: notes.txt");
    expect(lost(["quantize", "toy", "--out", "toy"], { "toy/config.json": "9" })).toThrow("changed: toy/config.json");
    expect(lost(["eval", "m.jsonl", "--output", "clip.wav"], { "clip.wav": "9" })).toThrow("changed: clip.wav");
    expect(lost(["convert", "funasr", "new"], { ".new-01234567-89ab-4cde/config.json": "9" })).toThrow(
      "left behind: .new-0123",
    );
  });
});

describe("a process that runs cases: one that", () => {
  const dir = mkdtempSync(join(tmpdir(), "sensevoice-test-"));
  const runner = new Runner(join(dir, "scratch"), new URL("fuzzTargets.ts", import.meta.url).href);
  const [same, any] = ["1.1.same.seed", "1.1.any.seed"].map((name) => join(dir, name));
  beforeAll(() => {
    mkdirSync(join(dir, "scratch"));
    for (const path of [same, any]) writeFileSync(path, "wrong");
  });
  afterAll(async () => {
    await runner.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const replay = (target: string, path = same) => runner.run({ do: "replay", target, path }, target, 2000);

  test.each([
    ["is misread", "finding", "accepted, and read as something else"],
    ["refuses", "refused", "expected right, got wrong"],
    ["throws", "finding", "TypeError: x is not a function"],
    ["says too much", "finding", "a message of several lines"],
    ["hangs", "finding", "over 2000 ms"],
    ["waits", "finding", "over 2000 ms"],
    ["eats", "finding", `over ${LIMIT_MB} MB`],
    ["exits", "finding", "the process ended (3)"],
    ["lets go", "finding", "not caught: RangeError: nobody waits"],
    ["prints", "finding", "printed: a decoder's own words"],
    ["refuses", "refused", "expected right, got wrong"],
  ])("%s", async (target, kind, message) => {
    const reply = await replay(target);
    expect(reply.message).toContain(message);
    expect(reply.kind).toBe(kind);
  });

  test("one that need not be read as the seed is", async () => {
    expect(await replay("is misread", any)).toMatchObject({ kind: "accepted", message: "" });
  });

  test("memory that is gone again counts as well", async () => {
    expect((await replay("gulps")).mb).toBeGreaterThan(LIMIT_MB);
  });

  test("an input that was made is written, and is that of the case", async () => {
    const id = { target: "refuses", seed: "9", number: 3 };
    const { message: path } = await runner.run({ do: "write", id, folder: join(dir, "found") }, "refuses");
    expect(path).toBe(join(dir, "found", "9.3.any.seed"));
    const seed = { name: "seed", bytes: Buffer.from("right"), format: "text" } as const;
    const target = { name: "refuses", seeds: async () => [seed], run: async () => "" };
    expect(new Uint8Array(readFileSync(path))).toEqual(makeCase(target, [seed], id).bytes);
  });
});
