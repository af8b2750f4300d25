import { execFile } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { fixture, temporaryFolder } from "../convert/folder.ts";
import { openModelFolder } from "../support/model.ts";
import { PLAIN, sensevoice, ZH_HAPPY, ZH_HAPPY_TEXT } from "./sensevoice.ts";

const tiny = fileURLToPath(new URL("../../weights/tiny", import.meta.url));
const KEY = "zh-happy";

/** A folder with a sound, a manifest of it, a baseline, a policy, a model, and links to some of them. */
function workplace(): (name: string) => string {
  const dir = temporaryFolder();
  const at = (name: string) => join(dir, name);
  copyFileSync(ZH_HAPPY, at("talk.txt"));
  const line = { key: KEY, source: "talk.txt", target: ZH_HAPPY_TEXT, text_language: "<|zh|>" };
  writeFileSync(at("list.jsonl"), JSON.stringify(line));
  writeFileSync(at("baseline.jsonl"), JSON.stringify({ key: KEY, tokens: [1] }));
  writeFileSync(at("policy.json"), JSON.stringify({ name: "mine", scheme: "int8" }));
  cpSync(tiny, at("model"), { recursive: true });
  symlinkSync(".", at("here"));
  symlinkSync("list.jsonl", at("link.jsonl"));
  linkSync(at("list.jsonl"), at("same.jsonl"));
  return at;
}

/** The bytes of every file in a folder. */
function contents(dir: string): Map<string, string> {
  const names = readdirSync(dir, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => !name.includes("here") && statSync(join(dir, name)).isFile());
  return new Map(files.map((name) => [name, readFileSync(join(dir, name), "latin1")]));
}

const EVAL = ["eval", "list.jsonl", "--model", "model", "--device", "reference"];
const QUANTIZE = ["quantize", "model", "--scheme", "int8"];

describe("an input is not overwritten, however its path is written", () => {
  test.each([
    [[...EVAL, "--output", "list.jsonl"]],
    [[...EVAL, "--output", "link.jsonl"]],
    [[...EVAL, "--output", "same.jsonl"]],
    [[...EVAL, "--output", "here/list.jsonl"]],
    [[...EVAL, "--output", "talk.txt"]],
    [[...EVAL, "--limit", "1", "--output", "model/../here/talk.txt"]],
    [[...EVAL, "--baseline", "baseline.jsonl", "--output", "baseline.jsonl"]],
    [[...EVAL, "--output", "model/config.json"]],
    [["talk.txt", "--model", "model", "--output", "."]],
    [["talk.txt", "--model", "model", "--output", "here"]],
    [["talk.txt", "here/talk.txt", "--model", "model", "--output", "new"]],
    [["config.wav", "--model", "model", "--format", "json", "--output", "model"]],
    [[...QUANTIZE, "--out", "model"]],
    [[...QUANTIZE, "--out", "here/model"]],
    [[...QUANTIZE, "--out", "q", "--save-policy", "model/config.json"]],
    [[...QUANTIZE, "--out", "q", "--save-policy", "q/config.json"]],
    [[...QUANTIZE, "--out", "q", "--calibrate", "list.jsonl", "--save-policy", "here/list.jsonl"]],
    [[...QUANTIZE, "--out", "q", "--calibrate", "list.jsonl", "--save-policy", "talk.txt"]],
    [["quantize", "model", "--out", "q", "--policy", "policy.json", "--save-policy", "here/policy.json"]],
  ])("%j", async (args) => {
    const at = workplace();
    const before = contents(at(""));
    const { status, stdout, stderr } = await sensevoice(args, { cwd: at("") });
    expect(stderr).toMatch(/^error: \S+: \S+ would overwrite (an input|the result of \S+); .*\n$/);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(contents(at(""))).toEqual(before);
  });
});

describe("what cannot be written is said before the work, in one line, and nothing is left", () => {
  test.each([
    [[...EVAL, "--output", "no/report"], /^error: no\/report cannot be written \(ENOENT\)\n$/],
    [[...EVAL, "--output", "/proc/x"], /^error: \/proc\/x cannot be written \(ENOENT\)\n$/],
    [[...EVAL, "--output", "model"], /^error: .* would overwrite an input/],
    [[...EVAL, "--output", ""], /^error: .*expected a path, got an empty one\.\n$/],
    [[...EVAL, "--model", "none", "--output", "report"], /^error: \[weights\] none: expected "tiny"/],
    [[...EVAL, "--baseline", "none", "--output", "report"], /^error: none: no such file\n$/],
    [["talk.txt", ...PLAIN, "--output", "/proc/x/y"], /^error: \/proc\/x\/y: the folder cannot be created/],
    [["talk.txt", ...PLAIN, "--output", "list.jsonl/y"], /list\.jsonl\/y: the folder cannot be created/],
    [["talk.txt", ...PLAIN, "--output", ""], /^error: .*expected a path, got an empty one\.\n$/],
    [["talk.txt", "--model", "none", "--output", "new"], /^error: \[weights\] none: expected "tiny"/],
    [[...QUANTIZE, "--out", "q", "--save-policy", "/no/x"], /^error: \/no\/x cannot be written \(ENOENT\)\n$/],
    [[...QUANTIZE, "--out", "q", "--save-policy", "here"], /^error: here cannot be written \(EISDIR\)\n$/],
    [[...QUANTIZE, "--out", "q", "--save-policy", ""], /^error: .*expected a path, got an empty one\.\n$/],
    [[...QUANTIZE, "--out", "list.jsonl/q"], /^error: \[weights\] list\.jsonl\/q: EEXIST: .*\n$/],
    [[...QUANTIZE, "--out", "list.jsonl"], /list\.jsonl: exists and is not a model folder; nothing was changed/],
    [["quantize", "model", "--out", "q", "--policy", "none"], /^error: --policy: there is no file none\n$/],
    [["quantize", "model", "--out", "q", "--policy", "talk.txt"], /talk\.txt: expected JSON\n$/],
  ])("%j", async (args, message) => {
    const at = workplace();
    const before = contents(at(""));
    const names = readdirSync(at(""));
    const { status, stdout, stderr } = await sensevoice(args, { cwd: at("") });
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd()).toMatch(/^(?!.*a bug in).+$/);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(readdirSync(at(""))).toEqual(names);
    expect(contents(at(""))).toEqual(before);
  });
});

/** Runs a script whose "$@" is the command. */
function inBash(script: string, cwd: string, args: readonly string[]) {
  const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const command = [process.execPath, "--import", import.meta.resolve("tsx"), main, ...args];
  return promisify(execFile)("bash", ["-c", script, "bash", ...command], { cwd });
}

describe("a report", () => {
  test("that the disk has no room for leaves the older one, and no other file", async () => {
    const at = workplace();
    writeFileSync(at("report.json"), "older");
    const names = readdirSync(at(""));
    for (const output of ["report.json", "new.json"]) {
      // Files of more than 1 KiB cannot be written.
      const run = inBash('ulimit -f 1; exec "$@"', at(""), [...EVAL, "--format", "json", "--output", output]);
      await expect(run).rejects.toMatchObject({
        code: 1,
        stderr: `error: ${output} cannot be written (EFBIG)\n`,
      });
    }
    expect(readdirSync(at(""))).toEqual(names);
    expect(readFileSync(at("report.json"), "utf8")).toBe("older");
  });

  test("replaces an older one where a link leads to, and keeps its mode", async () => {
    const at = workplace();
    writeFileSync(at("older"), "older");
    chmodSync(at("older"), 0o600);
    symlinkSync("older", at("latest"));
    const { status, stderr } = await sensevoice([...EVAL, "--output", "latest"], { cwd: at("") });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(readlinkSync(at("latest"))).toBe("older");
    expect(readFileSync(at("older"), "utf8")).toContain("data: list.jsonl");
    expect(statSync(at("older")).mode & 0o777).toBe(0o600);
  });

  test("goes into a pipe or a device as it is", async () => {
    const at = workplace();
    const { stdout } = await inBash('"$@" | cat', at(""), [...EVAL, "--output", "/dev/stdout"]);
    expect(stdout).toContain("data: list.jsonl");
    expect((await sensevoice([...EVAL, "--output", "/dev/null"], { cwd: at("") })).status).toBe(0);
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
  });
});

test("a policy can be saved in the new folder", async () => {
  const at = workplace();
  const args = [...QUANTIZE, "--out", "new/q", "--save-policy", "new/q/policy.json"];
  expect(await sensevoice(args, { cwd: at("") })).toMatchObject({ status: 0, stdout: "new/q\n", stderr: "" });
  expect(JSON.parse(readFileSync(at("new/q/policy.json"), "utf8"))).toMatchObject({ name: "int8" });
});

describe("numbers", () => {
  test.each([
    [["--threads", "2x"], "--threads <count>"],
    [["--threads", "0"], "--threads <count>"],
    [["--threads", "1.5"], "--threads <count>"],
    [["--threads", ""], "--threads <count>"],
    [["eval", "list.jsonl", "--threads", "x"], "--threads <count>"],
    [["eval", "list.jsonl", "--limit", "1e1"], "--limit <clips>"],
    [["quantize", "model", "--out", "q", "--limit", "abc", "--calibrate", "list.jsonl"], "--limit <clips>"],
  ])("%j", async (args, option) => {
    const { status, stdout, stderr } = await sensevoice(args);
    const value = args[args.indexOf(option.split(" ")[0]) + 1];
    expect({ status, stdout, stderr }).toEqual({
      ...{ status: 1, stdout: "" },
      stderr: `error: option '${option}' argument '${value}' is invalid. expected a number from 1 on.\n`,
    });
  });
});

describe("a budget below the smallest model is refused at once, in its unit", () => {
  test.each([
    ["0", "2.096 bits a weight"],
    ["2.09", "2.096 bits a weight"],
    ["0MB", "1.776MB"],
    ["1.7 mb", "1.776mb"],
  ])(
    "%s",
    async (budget, least) => {
      const at = workplace();
      const args = ["quantize", "model", "--scheme", "mixed", "--calibrate", "list.jsonl", "--out", "q"];
      const { status, stderr } = await sensevoice([...args, "--budget", budget], { cwd: at("") });
      expect(stderr).toBe(`error: --budget: expected at least ${least}, got ${budget}\n`);
      expect(status).toBe(1);
      expect(existsSync(at("q"))).toBe(false);
    },
    10_000,
  );
});

describe("convert", () => {
  const convert = (...args: string[]) => sensevoice(["convert", fixture("funasr"), ...args]);

  test("takes --out, as quantize does", async () => {
    const target = join(temporaryFolder(), "model");
    const { status, stdout, stderr } = await convert("--out", target, "--dtype", "f32");
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${target}\n`, stderr: "" });
    expect((await openModelFolder(target)).config.weights).toBe("f32");
  });

  test("with two targets, or none, is refused", async () => {
    const dir = temporaryFolder();
    const two = await convert(join(dir, "a"), "--out", join(dir, "b"));
    expect(two.stderr).toMatch(/^error: expected one target, got \S+a and --out \S+b\n$/);
    expect((await convert()).stderr).toMatch(/^error: there is no --out DIR: .*\n$/);
    expect(readdirSync(dir)).toEqual([]);
  });

  test("by its script, in both forms", async () => {
    const script = fileURLToPath(new URL("../../scripts/convert-weights.ts", import.meta.url));
    const dir = temporaryFolder();
    for (const args of [[join(dir, "a")], ["--out", join(dir, "b")]]) {
      const command = ["--import", import.meta.resolve("tsx"), script, fixture("funasr"), ...args];
      await promisify(execFile)(process.execPath, command);
    }
    expect(readdirSync(dir)).toEqual(["a", "b"]);
  });
});
