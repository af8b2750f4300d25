import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { convertModel } from "../../src/convert/convert.ts";
import { SPEAKER_ID, VAD_ID } from "../../src/weights/home.ts";
import { fixture, temporaryFolder } from "../convert/folder.ts";
import { hubServer } from "../convert/hubServer.ts";
import { filesOf, folderOf } from "../convert/speakerFolder.ts";
import { sensevoice } from "./sensevoice.ts";

const scratch = mkdtempSync(join(tmpdir(), "sensevoice-vad-"));
const model = join(scratch, "vad");
beforeAll(() => convertModel(fixture("fsmnvad"), model, { dtype: "f16" }));
afterAll(() => rmSync(scratch, { recursive: true }));

const EN = "samples/en.wav";
const SECONDS = 5.794;

interface Line {
  readonly file: string;
  readonly segments: readonly (readonly [number, number])[];
}

describe("sensevoice vad", () => {
  test.each(["energy", "model", "fsmn"])(
    "%s: a line of JSON for each file, a bad one does not stop the rest",
    async (vad) => {
      const args = ["vad", EN, "missing.wav", "-", "--vad", vad, "--format", "json", "--model", "tiny"];
      const given = vad === "fsmn" ? ["--vad-model", model, "--threads", "1"] : [];
      const { status, stdout, stderr } = await sensevoice([...args, ...given], { input: readFileSync(EN) });
      expect({ status, stderr }).toEqual({ status: 1, stderr: "error: missing.wav: no such file\n" });
      const lines = stdout
        .trimEnd()
        .split("\n")
        .map((line): Line => JSON.parse(line));
      expect(lines.map((line) => Object.keys(line))).toEqual([
        ["file", "segments"],
        ["file", "segments"],
      ]);
      const [{ file, segments }, other] = lines;
      expect(file).toBe(EN);
      expect(other).toEqual({ file: "-", segments });
      expect(segments.length).toBeGreaterThan(vad === "fsmn" ? -1 : 0); // the toy model hears what it likes
      for (const [start, end] of segments) {
        expect(start).toBeGreaterThanOrEqual(0);
        expect(end).toBeGreaterThan(start);
        expect(end).toBeLessThanOrEqual(SECONDS * 1000);
      }
    },
  );

  test("as text: a line for each segment; of several files with their names", async () => {
    const line = "\\d\\d:\\d\\d\\.\\d{3} --> \\d\\d:\\d\\d\\.\\d{3}\\n";
    const one = await sensevoice(["vad", EN, "--vad", "energy"]);
    expect(one).toMatchObject({ status: 0, stderr: "" });
    expect(one.stdout).toMatch(new RegExp(`^(${line})+$`));
    const two = await sensevoice(["vad", EN, EN, "--vad", "energy", "--format", "text"]);
    expect(two.stdout).toMatch(new RegExp(`^(${EN}: ${line})+$`));
  });

  test("how speech is told from silence can be set", async () => {
    const spans = async (...args: string[]) => {
      const { stdout } = await sensevoice(["vad", EN, "--vad", "energy", "--format", "json", ...args]);
      return (JSON.parse(stdout) as Line).segments;
    };
    const usual = await spans();
    const short = await spans("--end-silence-ms", "100", "--pad-ms", "0");
    expect(short.length).toBeGreaterThan(usual.length);
    expect(short[0][0]).toBeGreaterThan(usual[0][0]);
  });

  test("fsmn without a model: the error says how to get one", async () => {
    const { status, stdout, stderr } = await sensevoice(["vad", EN, "--vad", "fsmn"]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toBe(
      `error: [vad] fsmn: expected a voice activity model, found none; run: sensevoice download ${VAD_ID}\n`,
    );
  });

  test.each([
    ["no such folder", ["--vad-model", "nowhere"], /^error: \[weights\] nowhere: there is no such folder\n$/],
    [
      "a FunASR folder",
      ["--vad-model", fixture("fsmnvad")],
      /this is a FunASR folder; convert it first: sensevoice convert \S+ --out OUT\n$/,
    ],
    [
      "a recogniser",
      ["--vad-model", "weights/tiny"],
      /^error: \[weights\] config\.json: format: expected "sensevoice-vad", got "sensevoice"\n$/,
    ],
    [
      "a model that is not asked",
      ["--vad-model", "nowhere", "--vad", "energy"],
      /^error: --vad-model: expected --vad fsmn with it, got --vad energy\n$/,
    ],
    [
      "a setting that loudness does not have",
      ["--vad", "energy", "--speech-threshold", "0.5"],
      /^error: \[engine\] speechThreshold: expected vad fsmn with it, got energy\n$/,
    ],
    ["no number", ["--pad-ms", "-3"], /^error: option '--pad-ms <ms>' argument '-3' is invalid. expected a number/],
    ["another way", ["--vad", "silero"], /^error: option '--vad <how>' argument 'silero' is invalid\. Allowed choices/],
  ])("a wrong option is one line: %s", async (_, args, message) => {
    const { status, stdout, stderr } = await sensevoice(["vad", EN, ...args]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(message);
  });

  test("without --vad: the model's own, else one downloaded, else the recogniser, and a note says so", async () => {
    const none = await sensevoice(["vad", EN, "--format", "json", "--model", "tiny"]);
    expect(none.stderr).toBe(`note: going by the recogniser; for FSMN-VAD: sensevoice download ${VAD_ID}\n`);
    expect(none.status).toBe(0);
    const files = Object.fromEntries(
      readdirSync(fixture("fsmnvad")).map((name) => [name, readFileSync(join(fixture("fsmnvad"), name))]),
    );
    const { endpoint } = await hubServer(VAD_ID, files);
    const env = { SENSEVOICE_HOME: temporaryFolder(), SENSEVOICE_ENDPOINT: endpoint };
    const target = join(env.SENSEVOICE_HOME, "models", "speech_fsmn_vad_zh-cn-16k-common-pytorch");
    const downloaded = await sensevoice(["download", VAD_ID], { env });
    expect(downloaded).toMatchObject({ status: 0, stdout: `${target}\n`, stderr: "" });
    const { status, stderr } = await sensevoice(["vad", EN, "--model", "tiny"], { env });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const info = JSON.parse((await sensevoice(["info", "--format", "json"], { env })).stdout);
    expect(info).toMatchObject({ vad: target, models: [{ name: "tiny" }] });
  });
});

describe("sensevoice download", () => {
  test("of the speaker model: info names it, and not among the recognisers", async () => {
    const { endpoint } = await hubServer(SPEAKER_ID, filesOf(folderOf()));
    const env = { SENSEVOICE_HOME: temporaryFolder(), SENSEVOICE_ENDPOINT: endpoint };
    const target = join(env.SENSEVOICE_HOME, "models", "speech_campplus_sv_zh-cn_16k-common");
    const downloaded = await sensevoice(["download", SPEAKER_ID], { env });
    expect(downloaded).toMatchObject({ status: 0, stdout: `${target}\n`, stderr: "" });
    const info = JSON.parse((await sensevoice(["info", "--format", "json"], { env })).stdout);
    expect(info).toMatchObject({ speaker: target, vad: null, models: [{ name: "tiny" }] });
  });

  test("--speakers fetches it beside a recogniser: what is wrong with it is one line", async () => {
    const { endpoint } = await hubServer("iic/SenseVoiceSmall", filesOf(fixture("funasr")));
    const env = { SENSEVOICE_HOME: temporaryFolder(), SENSEVOICE_ENDPOINT: endpoint };
    const args = ["download", "iic/SenseVoiceSmall", "--no-vad", "--speakers"];
    const { status, stderr } = await sensevoice(args, { env });
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^error: \[download\] .*campplus.*; speakers are missing, the model \S+ is complete without it\n$/,
    );
  });

  test("of a recogniser: its path is printed, and what is wrong with the voice activity model beside it", async () => {
    const files = Object.fromEntries(
      readdirSync(fixture("funasr")).map((name) => [name, readFileSync(join(fixture("funasr"), name))]),
    );
    const { endpoint } = await hubServer("iic/SenseVoiceSmall", files);
    const env = { SENSEVOICE_HOME: temporaryFolder(), SENSEVOICE_ENDPOINT: endpoint };
    const target = join(env.SENSEVOICE_HOME, "models", "SenseVoiceSmall");
    const { status, stdout, stderr } = await sensevoice(["download", "iic/SenseVoiceSmall"], { env });
    expect({ status, stdout }).toEqual({ status: 1, stdout: `${target}\n` });
    expect(stderr).toMatch(
      /^error: \[download\] .*; voice activity is missing, the model \S+ is complete without it\n$/,
    );
    expect(existsSync(join(target, "model.safetensors"))).toBe(true);
  });
});
