import { execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { convertModel } from "../../src/convert/convert.ts";
import { findModel } from "../../src/weights/home.ts";
import { finish, sensevoice, start } from "../cli/sensevoice.ts";
import { fixture, temporaryFolder } from "../convert/folder.ts";
import { openModelFolder } from "../support/model.ts";

const SOURCE = fixture("funasr");
const UUID = "00000000-0000-4000-8000-000000000000";
const LONG_AGO = new Date("2001-02-03T04:05:06Z");

const convert = (target: string) => convertModel(SOURCE, target, { dtype: "f16" });

/** A model folder with a note, a link to it, a pipe, a folder and a large file of the user's. */
async function modelWithOtherFiles(dir: string): Promise<string> {
  const target = join(dir, "model");
  await convert(target);
  writeFileSync(join(target, "notes.txt"), "mine");
  symlinkSync("notes.txt", join(target, "link"));
  mkdirSync(join(target, "folder"));
  writeFileSync(join(target, "folder", "deep.txt"), "mine too");
  execFileSync("mkfifo", [join(target, "pipe")]);
  writeFileSync(join(target, "large"), "");
  truncateSync(join(target, "large"), 200e6);
  for (const name of ["notes.txt", "folder", "large"]) utimesSync(join(target, name), LONG_AGO, LONG_AGO);
  return target;
}

/** Throws unless the model can be read to its end and the other files are as they were. */
async function expectWhole(target: string): Promise<void> {
  const folder = await openModelFolder(findModel(target));
  let tensors = 0;
  for await (const _ of folder.tensors()) tensors++;
  expect(tensors).toBeGreaterThan(10);
  expect(readFileSync(join(target, "notes.txt"), "utf8")).toBe("mine");
  expect(readlinkSync(join(target, "link"))).toBe("notes.txt");
  expect(lstatSync(join(target, "pipe")).isFIFO()).toBe(true);
  expect(readFileSync(join(target, "folder", "deep.txt"), "utf8")).toBe("mine too");
  expect(lstatSync(join(target, "large")).size).toBe(200e6);
  for (const name of ["notes.txt", "folder", "large"]) {
    expect(lstatSync(join(target, name)).mtime, name).toEqual(LONG_AGO);
  }
}

describe("other files in a folder that is replaced", () => {
  test("are moved: links stay links, a pipe stays a pipe, times stay", async () => {
    const dir = temporaryFolder();
    const target = await modelWithOtherFiles(dir);
    await convert(target);
    await expectWhole(target);
    expect(readdirSync(dir)).toEqual(["model"]);
  });

  test("are there after a kill at any step, and so is a model; the next conversion cleans up", async () => {
    const dir = temporaryFolder();
    const target = await modelWithOtherFiles(dir);
    const preload = fileURLToPath(new URL("crashAt.ts", import.meta.url));
    const env = { NODE_OPTIONS: `--import ${import.meta.resolve("tsx")} --import ${preload}`, CRASH_IN: dir };
    let kills = 0;
    for (let ended = false; !ended; ) {
      const args = ["convert", SOURCE, target];
      const { signal, status } = await sensevoice(args, { env: { ...env, CRASH_AT: `${kills + 1}` } });
      await expectWhole(target);
      ended = signal === null;
      if (ended) expect(status).toBe(0);
      else kills++;
    }
    expect(kills).toBeGreaterThan(12);
    expect(readdirSync(dir)).toEqual(["model"]);
  });

  test("one that cannot be kept under its name gets another", async () => {
    const dir = temporaryFolder();
    const target = await modelWithOtherFiles(dir);
    const old = join(dir, `.model-999999999-${UUID}.old`);
    renameSync(target, old);
    await convert(join(dir, "other"));
    renameSync(join(dir, "other"), target);
    writeFileSync(join(target, "notes.txt"), "newer");
    await convert(target);
    const notes = readdirSync(target).filter((name) => name.startsWith("notes.txt"));
    expect(notes.map((name) => readFileSync(join(target, name), "utf8")).sort()).toEqual(["mine", "newer"]);
    expect(readdirSync(dir)).toEqual(["model"]);
  });
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s removes what is half done and leaves the older model", async (signal, status) => {
  const dir = temporaryFolder();
  const target = await modelWithOtherFiles(dir);
  const child = start(["quantize", "tiny", "--scheme", "int4", "--out", target]);
  const ended = finish(child);
  while (child.exitCode === null && readdirSync(dir).length === 1) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  child.kill(signal);
  expect(await ended).toEqual({ status, signal: null, stdout: "", stderr: "" });
  expect(readdirSync(dir)).toEqual(["model"]);
  await expectWhole(target);
});

test("what ended processes have left is removed, but nothing of running ones or other models", async () => {
  const dir = temporaryFolder();
  const running = spawn("sleep", ["60"]);
  const [dead, own, alive, other, file] = [
    `.model-999999999-${UUID}.part`,
    `.model-${process.pid}-${UUID}.part`,
    `.model-${running.pid}-${UUID}.part`,
    `.model-2-999999999-${UUID}.part`,
    ".model-notes",
  ];
  for (const name of [dead, own, alive, other, file]) mkdirSync(join(dir, name));
  await convert(join(dir, "model"));
  running.kill();
  expect(readdirSync(dir).sort()).toEqual([alive, other, file, "model"].sort());
});

describe("a target that is", () => {
  test('"": refused, and the working directory is left alone', async () => {
    const dir = temporaryFolder();
    writeFileSync(join(dir, "model.safetensors"), "mine");
    const inode = lstatSync(dir).ino;
    for (const args of [
      ["convert", SOURCE, ""],
      ["quantize", "tiny", "--out", ""],
    ]) {
      const { status, stdout, stderr } = await sensevoice(args, { cwd: dir });
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(/^error: .*empty.*\n$/);
    }
    expect(readdirSync(dir)).toEqual(["model.safetensors"]);
    expect(lstatSync(dir).ino).toBe(inode);
  });

  test("the working directory: refused", async () => {
    const target = await modelWithOtherFiles(temporaryFolder());
    const { status, stderr } = await sensevoice(["convert", SOURCE, "."], { cwd: target });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: .*is the working directory.*\n$/);
    await expectWhole(target);
  });

  test("taken by something else in the meantime: refused, and that is left alone", async () => {
    const dir = temporaryFolder();
    const mine = join(dir, "model", "model.safetensors");
    const onProgress = () => {
      mkdirSync(join(dir, "model"), { recursive: true });
      writeFileSync(mine, "mine");
    };
    await expect(convertModel(SOURCE, join(dir, "model"), { dtype: "f16", onProgress })).rejects.toThrow(
      /not a model folder; nothing was changed$/,
    );
    expect(readFileSync(mine, "utf8")).toBe("mine");
    expect(readdirSync(dir)).toEqual(["model"]);
  });

  test("made anew after a crash, with something else: that is left alone, and so is the older model", async () => {
    const dir = temporaryFolder();
    const old = `.model-999999999-${UUID}.old`;
    await convert(join(dir, old));
    mkdirSync(join(dir, "model"));
    writeFileSync(join(dir, "model", "thesis.txt"), "mine");
    await expect(convert(join(dir, "model"))).rejects.toThrow(/not a model folder/);
    expect(readdirSync(join(dir, "model"))).toEqual(["thesis.txt"]);
    expect(readdirSync(join(dir, old))).toHaveLength(3);
  });

  test("a link to a model folder: that is replaced, and the link stays", async () => {
    const dir = temporaryFolder();
    const target = await modelWithOtherFiles(dir);
    symlinkSync("model", join(dir, "latest"));
    await convertModel(SOURCE, join(dir, "latest"), { dtype: "f32" });
    expect(readlinkSync(join(dir, "latest"))).toBe("model");
    await expectWhole(target);
    expect((await openModelFolder(target)).config.weights).toBe("f32");
  });

  test("a link to nothing: refused, and the link stays", async () => {
    const dir = temporaryFolder();
    symlinkSync("nothing", join(dir, "latest"));
    await expect(convert(join(dir, "latest"))).rejects.toThrow(
      /latest: is a link to \S+nothing, which does not exist; nothing was changed$/,
    );
    expect(readlinkSync(join(dir, "latest"))).toBe("nothing");
    expect(existsSync(join(dir, "nothing"))).toBe(false);
  });

  test.each(["/proc/x/model", "/dev/null/model"])(
    "%s: one line at once",
    async (target) => {
      for (const args of [
        ["convert", SOURCE, target],
        ["quantize", "tiny", "--out", target],
      ]) {
        const { status, stderr } = await sensevoice(args);
        expect(status).toBe(1);
        expect(stderr).toMatch(/^error: \[weights\] \S+: E(NOENT|EXIST): .*\n$/);
      }
    },
    20_000,
  );
});
