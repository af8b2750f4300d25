import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chunk, format, riff } from "../audio/support.ts";
import { fixture } from "../convert/folder.ts";
import { makeZip } from "../convert/zip.ts";
import { PLAIN, sensevoice, ZH_HAPPY } from "./sensevoice.ts";

const tiny = fileURLToPath(new URL("../../weights/tiny", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "sensevoice-wrong-"));
const at = (...names: string[]) => join(scratch, ...names);

/** A folder as it was, but for one file. */
function spoil(folder: string, name: string, file: string, change: (bytes: Buffer) => Uint8Array): void {
  cpSync(folder, at(name), { recursive: true });
  writeFileSync(at(name, file), change(readFileSync(join(folder, file))));
}

function floatWav(...samples: number[]): Uint8Array {
  const data = new Uint8Array(Float32Array.from(samples).buffer);
  return riff([chunk("fmt ", format(3, 1, 16000, 32)), chunk("data", data)]);
}

beforeAll(() => {
  const sound = readFileSync(ZH_HAPPY);
  writeFileSync(at("empty.wav"), "");
  writeFileSync(at("text.wav"), "I am not a sound.\n");
  writeFileSync(at("truncated.wav"), sound.subarray(0, sound.length / 2));
  writeFileSync(at("silent.wav"), floatWav());
  writeFileSync(at("nan.wav"), floatWav(0, 0.5, Number.NaN, 0.5));
  mkdirSync(at("folder"));
  spoil(tiny, "cut", "model.safetensors", (bytes) => bytes.subarray(0, 1_000_000));
  spoil(tiny, "tampered", "model.safetensors", (bytes) => {
    bytes[bytes.length - 1000] ^= 1;
    return bytes;
  });
  spoil(tiny, "unreadable", "config.json", () => Buffer.from("{"));
  spoil(fixture("funasr"), "evil", "model.pt", () => makeZip([["archive/data.pkl", pickleCalling(at("pwned"))]]));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A pickle of protocol 2 that runs `touch PATH` when Python loads it. */
function pickleCalling(path: string): Uint8Array {
  const command = Buffer.from(`touch ${path}`);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(command.length);
  return Buffer.concat([Buffer.from("\x80\x02cos\nsystem\n(X", "latin1"), length, command, Buffer.from("tR.")]);
}

const transcribing = (...files: string[]) => [...PLAIN, ...files];
const withModel = (model: string) => ["--device", "reference", "--model", model, ZH_HAPPY];

test.each<[what: string, args: string[], message: RegExp]>([
  ["no such file", transcribing(at("none.wav")), /none\.wav: no such file$/],
  ["an empty file", transcribing(at("empty.wav")), /empty\.wav: expected a sound file, got an empty one$/],
  ["a text called .wav", transcribing(at("text.wav")), /text\.wav: not a sound file, it holds text$/],
  ["a truncated wav", transcribing(at("truncated.wav")), /truncated\.wav: truncated wav: expected \d+ bytes/],
  ["a wav of 0 samples", transcribing(at("silent.wav")), /silent\.wav: expected sound, got 0 samples$/],
  ["a sample that is NaN", transcribing(at("nan.wav")), /nan\.wav: expected finite samples, got NaN at sample 2/],
  ["a folder for a file", transcribing(at("folder")), /folder: expected sound files in this folder, found none$/],
  ["nothing on stdin", transcribing("-"), /-: .*expected a sound file, got an empty one$/],
  ["no such model", withModel(at("none")), /none: expected "tiny", "small" or a model folder/],
  ["a model not downloaded", withModel("small"), /run: sensevoice download iic\/SenseVoiceSmall$/],
  ["a folder without a model", withModel(at("folder")), /expected a model folder, got one without config\.json$/],
  ["a FunASR folder", withModel(fixture("funasr")), /convert it first: sensevoice convert \S+ --out OUT$/],
  [
    "a truncated model",
    withModel(at("cut")),
    /model\.safetensors: expected \d+ bytes, got 1000000; the file is damaged/,
  ],
  [
    "a tampered model",
    withModel(at("tampered")),
    /model\.safetensors: expected sha256 \w+, got \w+; the file is damaged/,
  ],
  ["a model's broken config", withModel(at("unreadable")), /config\.json: expected JSON$/],
  [
    "an unknown device",
    ["--device", "tpu", ZH_HAPPY],
    /'--device <device>' argument 'tpu' is invalid\. Allowed choices are auto, webgpu/,
  ],
  ["an unknown language", ["--language", "la", ZH_HAPPY], /argument 'la' is invalid/],
  ["an unknown option", ["--timestamp", ZH_HAPPY], /unknown option '--timestamp' \(Did you mean --timestamps\?\)$/],
  [
    "a file in the place of the output folder",
    [...PLAIN, ZH_HAPPY, "--output", at("text.wav")],
    /text\.wav: the folder cannot be created \(EEXIST\)$/,
  ],
  [
    "two results of one name",
    [...PLAIN, "a/x.wav", "b/x.mp3", "--output", scratch],
    /b\/x\.mp3: \S+x\.txt would overwrite the result of a\/x\.wav/,
  ],
  [
    "a result that would replace an input",
    [...PLAIN, at("y.txt"), "--output", scratch],
    /y\.txt would overwrite an input/,
  ],
  [
    "nothing to convert",
    ["convert", at("folder"), at("out")],
    /folder: expected a FunASR model folder, got one without config\.yaml$/,
  ],
  ["a checkpoint that runs code", ["convert", at("evil"), at("out")], /asks for "os\.system", .*nothing was run/],
  [
    "a conversion over something else",
    ["convert", fixture("funasr"), at("folder")],
    /exists and is not a model folder; nothing was changed$/,
  ],
  [
    "an unknown element type",
    ["convert", fixture("funasr"), at("out"), "--dtype", "int4"],
    /argument 'int4' is invalid/,
  ],
  ["a missing argument", ["convert", at("folder")], /missing required argument 'target'$/],
  [
    "a download of no model's name",
    ["download", "../.."],
    /expected a model id such as iic\/SenseVoiceSmall, got "\.\.\/\.\."$/,
  ],
])("%s: one line on stderr, status 1", async (_, args, message) => {
  const { status, stdout, stderr } = await sensevoice(args);
  expect(stderr).toMatch(/^error: .+\n$/);
  expect(stderr.trimEnd()).toMatch(message);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect([existsSync(at("pwned")), existsSync(at("out"))]).toEqual([false, false]);
});

test("a result that cannot be written fails its file alone", async () => {
  mkdirSync(at("results", "zh-happy.txt"), { recursive: true });
  const args = [...PLAIN, ZH_HAPPY, "--output", at("results")];
  const { status, stdout, stderr } = await sensevoice(args);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toBe(`error: ${ZH_HAPPY}: ${at("results", "zh-happy.txt")} cannot be written (EISDIR)\n`);
});
