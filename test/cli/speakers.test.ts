import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeSpeakerModel } from "../support/speakerModel.ts";
import { sensevoice } from "./sensevoice.ts";

const EN = fileURLToPath(new URL("../../samples/en.wav", import.meta.url));
const ZH = fileURLToPath(new URL("../../samples/zh.wav", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "sensevoice-test-"));
let speaker: Awaited<ReturnType<typeof makeSpeakerModel>>;
beforeAll(async () => {
  speaker = await makeSpeakerModel();
});
afterAll(() => {
  speaker.remove();
  rmSync(dir, { recursive: true });
});
const file = (name: string, text: string) => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};
/** Runs a command with a speaker model; nobody is enrolled. */
const run = (...args: string[]) =>
  sensevoice([...args, "--model", "tiny", "--device", "cpu", "--speaker-model", speaker.dir]);

test("--format rttm implies --speakers", async () => {
  const { status, stdout } = await run(EN, "--format", "rttm");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^SPEAKER en 1 \d\.\d{3} \d\.\d{3} <NA> <NA> S1 <NA> <NA>\n/);
  const { status: missing, stderr } = await sensevoice([EN, "--format", "rttm", "--model", "tiny", "--device", "cpu"]);
  expect(missing).toBe(1);
  expect(stderr).toMatch(/speakers: expected a speaker model, found none; run: sensevoice download \S+\n$/);
});

test("who was enrolled has their name; nobody can have that of a stranger", async () => {
  const people = join(dir, "people.json");
  expect((await run("enroll", "Jane", EN, "--people", people)).stdout).toBe(`${people}\n`);
  const { stdout } = await run(EN, "--speakers", "--people", people, "--format", "tsv");
  expect(stdout).toMatch(/^start\tend\tspeaker\t.*\n\d+\t\d+\tJane\t/);
  const { stderr } = await run("enroll", "S2", EN, "--people", people);
  expect(stderr).toMatch(/^error: NAME: expected a name of one line, other than .*; got "S2"\n$/);
});

test("rules that name speakers need --speakers", async () => {
  const rules = file("rules.yaml", "- name: talk\n  keyword: country\n  speaker: S1\n");
  const { status, stdout, stderr } = await run("inspect", EN, "--rules", rules);
  expect({ status, stdout, stderr }).toEqual({
    status: 1,
    stdout: "",
    stderr: `error: ${rules}: "talk": speaker: expected --speakers beside it, got none\n`,
  });
  const told = await run("inspect", EN, "--rules", rules, "--speakers", "--format", "json");
  expect(JSON.parse(told.stdout).recordings[0].moments).toMatchObject([{ rule: "talk", speaker: "S1" }]);
});

const line = (recording: string, start: number, end: number, name = "A") =>
  `SPEAKER ${recording} 1 ${start} ${end - start} <NA> <NA> ${name} <NA> <NA>\n`;

test("eval --rttm scores who is heard to speak in sounds", async () => {
  const reference = file("ref.rttm", line("en", 0, 5.5) + line("zh", 0, 4) + line("other", 0, 4));
  mkdirSync(join(dir, "unknown"), { recursive: true });
  const strange = file("unknown/strange.wav", readFileSync(ZH, "latin1"));
  const args = ["eval", "--rttm", reference, EN, ZH, strange, "--collar", "0.25"];
  const { status, stdout, stderr } = await run(...args, "--format", "json");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({ reference, hypothesis: "tiny, int8, on cpu", missing: [] });
  expect(report.leftOut).toEqual(["other", "strange"]);
  expect(report.recordings).toMatchObject([
    { recording: "en", speakers: { reference: 1, hypothesis: 1 } },
    { recording: "zh", speakers: { reference: 1, hypothesis: 1 } },
  ]);
  // One voice each: what is wrong is where there are pauses.
  expect(report.errors[0].confusion).toBe(0);
  expect(report.errors[0].der).toBeLessThan(0.3);
  const two = await run("eval", "--rttm", reference, EN, "--speaker-count", "2", "--format", "json");
  expect(JSON.parse(two.stdout).recordings[0].speakers.hypothesis).toBe(2);
});

test("a sound that cannot be heard is told of and left out", async () => {
  const reference = file("two.rttm", line("en", 0, 5.5) + line("bad", 0, 4));
  const bad = file("bad.wav", "no sound");
  const { status, stdout, stderr } = await run("eval", "--rttm", reference, bad, EN);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^error: \S*bad\.wav: \S[^\n]*\n$/);
  expect(stdout).toContain("left out, not to be scored: bad\n");
  expect(stdout).not.toContain("missed: bad");
  const none = await run("eval", "--rttm", reference, bad);
  expect({ ...none, stderr: none.stderr.split("\n").length }).toMatchObject({ status: 1, stdout: "", stderr: 2 });
});

test.each<[what: string, args: () => string[], message: RegExp]>([
  ["no recording of the reference", () => [ZH], /^error: --rttm: expected recordings of \S+zh\.wav, got en\n$/],
  ["two of one name", () => [EN, file("en.flac", "x")], /en\.flac: expected one sound of en, got \S+en\.wav too\n$/],
])("eval --rttm refuses sounds in one line: %s", async (_, args, message) => {
  const reference = file("en.rttm", line("en", 0, 5.5));
  const { status, stdout, stderr } = await run("eval", "--rttm", reference, ...args());
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toMatch(message);
});
