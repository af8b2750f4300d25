import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findInputs } from "../../src/cli/inputs.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "sensevoice-inputs-"));
  for (const folder of ["talks/day 1", "talks/day2", "empty"]) mkdirSync(join(dir, folder), { recursive: true });
  for (const name of ["talks/b.wav", "talks/a.FLAC", "talks/notes.txt", "talks/day 1/x.y.mp3", "talks/day2/[1].ogg"]) {
    writeFileSync(join(dir, name), "");
  }
});
afterAll(() => rmSync(dir, { recursive: true }));

let failed: string[] = [];
const find = async (...args: string[]) => {
  const paths = args.map((arg) => (arg === "-" ? arg : join(dir, arg)));
  const inputs = await findInputs(paths, (error, arg) => {
    failed.push(`${arg.replace(`${dir}/`, "")}: ${String(error).replace(/^.*: /, "")}`);
  });
  return inputs.map(({ file, name }) => [file.replace(`${dir}/`, ""), name]);
};

describe("what arguments name", () => {
  test("a file, there or not, and standard input are themselves", async () => {
    expect(await find("talks/b.wav", "-", "missing.wav", "talks/b.wav/x", "talks/notes.txt")).toEqual([
      ["talks/b.wav", "b"],
      ["-", "stdin"],
      ["missing.wav", "missing"],
      ["talks/b.wav/x", "x"],
      ["talks/notes.txt", "notes"],
    ]);
  });

  test("a folder is all sounds in it and below, whose results keep their places", async () => {
    expect(await find("talks")).toEqual([
      ["talks/a.FLAC", "a"],
      ["talks/b.wav", "b"],
      ["talks/day 1/x.y.mp3", "day 1/x.y"],
      ["talks/day2/[1].ogg", "day2/[1]"],
    ]);
  });

  test("a pattern is what matches it", async () => {
    expect(await find("talks/*.{wav,flac}")).toEqual([
      ["talks/a.FLAC", "a"],
      ["talks/b.wav", "b"],
    ]);
    expect(await find("**/*.mp3")).toEqual([["talks/day 1/x.y.mp3", "talks/day 1/x.y"]]);
  });

  test("a file whose name looks like a pattern is that file", async () => {
    expect(await find("talks/day2/[1].ogg")).toEqual([["talks/day2/[1].ogg", "[1]"]]);
  });

  test("what a folder or a pattern brings comes once, a file as often as it is named", async () => {
    expect(await find("talks/b.wav", "talks", "talks/*.wav")).toHaveLength(4);
    expect(await find("talks/b.wav", "talks/b.wav")).toHaveLength(2);
  });

  test("a folder without sounds and a pattern without files are reported; the others come", async () => {
    failed = [];
    const inputs = await find("empty", "talks/*.m4a", "nowhere/**/*.wav", "talks/b.wav");
    expect(inputs).toEqual([["talks/b.wav", "b"]]);
    expect(failed).toEqual([
      "empty: expected sound files in this folder, found none",
      "talks/*.m4a: no file matches this pattern",
      "nowhere/**/*.wav: no file matches this pattern",
    ]);
  });
});
