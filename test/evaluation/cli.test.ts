import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { PLAIN, sensevoice } from "../cli/sensevoice.ts";
import { temporaryFolder } from "../convert/folder.ts";

const clips = fileURLToPath(new URL("../eval", import.meta.url));
const evaluating = (data: string, ...args: string[]) => sensevoice(["eval", data, ...PLAIN, ...args]);

/** A folder with three short clips, the last one damaged, and their manifest. */
function threeClips(): string {
  const dir = temporaryFolder();
  const lines = readFileSync(join(clips, "manifest.jsonl"), "utf8").split("\n");
  const chosen = ["en-181", "zh-015", "en-041"].map((key) => lines.find((line) => line.includes(`"${key}"`)));
  writeFileSync(join(dir, "manifest.jsonl"), chosen.join("\n"));
  for (const name of ["en-181.flac", "zh-015.flac"]) copyFileSync(join(clips, name), join(dir, name));
  writeFileSync(join(dir, "en-041.flac"), readFileSync(join(clips, "en-041.flac")).subarray(0, 9000));
  return dir;
}

test("a report against FunASR's answers, and one against that report", async () => {
  const dir = threeClips();
  const output = join(dir, "report.json");
  const json = ["--baseline", join(clips, "funasr.jsonl"), "--format", "json", "--output", output];
  const first = await evaluating(dir, ...json);
  expect(first).toMatchObject({ status: 1, stdout: "" }); // 1 because of the damaged clip
  expect(first.stderr).toMatch(/^error: \S*en-041\.flac: truncated or damaged flac: .*\n$/);
  const report = JSON.parse(readFileSync(output, "utf8"));
  expect(report.failures).toMatchObject([{ key: "en-041" }]);
  expect(report.clips).toMatchObject([
    { key: "en-181", expected: { text: "how are you" }, got: { text: "hre you" }, unit: "words" },
    { key: "zh-015", asked: { language: "auto", itn: true } },
  ]);
  expect(report.summary.scores).toMatchObject([
    { language: "en", edits: { substitutions: 1, deletions: 1, insertions: 0, length: 3 } },
    { language: "zh", errorRate: 0 },
    { language: "all", clips: 2, unit: "mixed", errorRate: 2 / 6 },
  ]);
  expect(report.baseline).toMatchObject({ differing: 0, clips: 1, same: 1, askedOtherwise: 1 });
  expect(report.size).toMatchObject({ bytes: 13_800_612, linearBytes: 2 * report.size.linearWeights });
  expect(report.memory.peakRss).toBeGreaterThan(5e7);

  const second = await evaluating(dir, "--limit", "1", "--ask-language", "--baseline", output);
  expect(second).toMatchObject({ status: 0, stderr: "" });
  expect(second.stdout).toContain("data: ");
  expect(second.stdout).toMatch(/^language asked for: each clip's own$/m);
  expect(second.stdout).toMatch(/^en +1 +WER /m);
  expect(second.stdout).toMatch(/^clips left out: asked otherwise +1$/m);
});

describe("wrong input is one line", () => {
  test.each<[what: string, args: string[], message: RegExp]>([
    ["no data", ["/nowhere"], /^error: \/nowhere: no such file or folder\n$/],
    ["a sound for a manifest", [join(clips, "zh-000.flac")], /zh-000\.flac:1: expected a JSON object, got fLaC/],
    [
      "a limit of 0",
      [clips, "--limit", "0"],
      /'--limit <clips>' argument '0' is invalid\. expected a number from 1 on\.\n$/,
    ],
    ["both languages", [clips, "--language", "zh", "--ask-language"], /cannot be used with option '--language/],
    ["no baseline", [clips, "--baseline", "/none"], /^error: \/none: no such file\n$/],
    [
      "no place for the output",
      [clips, "--output", "/nowhere/x"],
      /^error: \/nowhere\/x cannot be written \(ENOENT\)\n$/,
    ],
  ])("%s", async (_, args, message) => {
    const { status, stdout, stderr } = await sensevoice(["eval", ...args, ...PLAIN]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });

  test("--output is not left behind when there is no data", async () => {
    const output = join(temporaryFolder(), "x");
    await evaluating("/nowhere", "--output", output);
    expect(existsSync(output)).toBe(false);
  });
});
