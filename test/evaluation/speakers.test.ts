import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { sensevoice } from "../cli/sensevoice.ts";

const line = (recording: string, start: number, end: number, speaker: string) =>
  `SPEAKER ${recording} 1 ${start} ${end - start} <NA> <NA> ${speaker} <NA> <NA>\n`;
const dir = mkdtempSync(join(tmpdir(), "sensevoice-test-"));
afterAll(() => rmSync(dir, { recursive: true }));
const file = (name: string, text: string) => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};
const reference = file("ref.rttm", line("a", 0, 4, "A") + line("a", 4, 8, "B") + line("b", 0, 2, "A"));
const hypothesis = file("hyp.rttm", line("a", 0, 5, "S1") + line("a", 5, 8, "S2") + line("c", 0, 1, "S1"));
const uem = file("all.uem", "a 1 0 4\n");
const evaluating = (...args: string[]) => sensevoice(["eval", "--rttm", reference, ...args]);

test("a table with all collars, and what was missing and left out", async () => {
  const { status, stdout, stderr } = await evaluating("--hypothesis", hypothesis);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  // One of 10 s confused, two missed; with the collar 0.75 and 1.5 of 8.5 s.
  expect(stdout).toMatch(/^DER, collar 0 s +30\.00 +20\.00 +0\.00 +10\.00 +10\.00$/m);
  expect(stdout).toMatch(/^DER, collar 0\.25 s +26\.47 +17\.65 +0\.00 +8\.82 +8\.50$/m);
  expect(stdout).toMatch(/^DER, collar 0\.25 s, no overlap /m);
  expect(stdout).toMatch(/^JER +48\.33$/m); // of 1/5, 1/4 and 1
  expect(stdout).toMatch(/^a +2 +2 +12\.50 /m);
  expect(stdout).toMatch(/^b +1 +0 +100\.00 /m);
  expect(stdout).toContain("\nwithout a hypothesis, all missed: b\nleft out, not to be scored: c\n");
});

test("one collar, in what is to be scored, as JSON in a file", async () => {
  const output = join(dir, "report.json");
  const args = ["--hypothesis", hypothesis, "--collar", "1", "--uem", uem, "--format", "json", "--output", output];
  expect(await evaluating(...args)).toMatchObject({ status: 0, stdout: "", stderr: "" });
  const report = JSON.parse(readFileSync(output, "utf8"));
  expect(report.errors).toMatchObject([
    { collar: 1, overlap: true, scored: 2, der: 0 },
    { collar: 1, overlap: false, scored: 2, der: 0 },
  ]);
  expect(report).toMatchObject({ reference, hypothesis, uem, jer: 0, leftOut: ["b", "c"], missing: [] });
  expect(report.recordings).toMatchObject([{ recording: "a", speakers: { reference: 1, hypothesis: 1 } }]);
});

test("Markdown", async () => {
  const { stdout } = await evaluating("--hypothesis", hypothesis, "--format", "markdown");
  expect(stdout).toContain("| DER, collar 0 s | 30.00 | 20.00 | 0.00 | 10.00 | 10.00 |");
});

test.each<[what: string, args: string[], message: RegExp]>([
  ["no hypothesis", ["--rttm", reference], /^error: --rttm: expected sounds, or --hypothesis FILE\.rttm, .*\n$/],
  ["no reference", ["--hypothesis", hypothesis], /^error: --hypothesis is about who speaks: there is no --rttm\n$/],
  [
    "sounds too",
    ["x", "--rttm", reference, "--hypothesis", hypothesis],
    /^error: --hypothesis: expected it or sounds, got both \(x\)\n$/,
  ],
  ["two data sets", ["x", "y"], /^error: expected one data set, got 2\n$/],
  ["neither", [], /^error: missing required argument 'data', or --rttm\n$/],
  [
    "not RTTM",
    ["--rttm", uem, "--hypothesis", uem],
    /all\.uem:1: expected SPEAKER or another type of RTTM, got "a"\n$/,
  ],
  [
    "nothing in it",
    ["--rttm", file("empty.rttm", ""), "--hypothesis", hypothesis],
    /empty\.rttm: expected SPEAKER lines, got none\n$/,
  ],
  [
    "regions of other recordings",
    ["--rttm", reference, "--hypothesis", hypothesis, "--uem", file("x.uem", "z 1 0 1")],
    /x\.uem: expected recordings of .*ref\.rttm, got z\n$/,
  ],
  [
    "an output over the input",
    ["--rttm", reference, "--hypothesis", hypothesis, "--output", reference],
    /ref\.rttm would overwrite an input; choose another name\n$/,
  ],
])("wrong input is one line: %s", async (_, args, message) => {
  const { status, stdout, stderr } = await sensevoice(["eval", ...args]);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toMatch(message);
  expect(stderr.trim().split("\n")).toHaveLength(1);
});
