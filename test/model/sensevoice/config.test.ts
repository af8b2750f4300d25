import { describe, expect, test } from "vitest";
import { SenseVoiceError } from "../../../src/error.ts";
import { type ModelConfig, parseModelConfig } from "../../../src/model/sensevoice/config.ts";

const sha256 = "0123456789abcdef".repeat(4);
const CONFIG: ModelConfig = {
  format: "sensevoice",
  formatVersion: 2,
  name: "SenseVoiceSmall",
  weights: "f16",
  encoder: {
    inputSize: 560,
    outputSize: 512,
    attentionHeads: 4,
    linearUnits: 2048,
    numBlocks: 50,
    tpBlocks: 20,
    kernelSize: 11,
  },
  frontend: { sampleRate: 16000, mels: 80, frameLengthMs: 25, frameShiftMs: 10, lfrM: 7, lfrN: 6 },
  vocabSize: 25055,
  files: { "model.safetensors": { bytes: 469878044, sha256 }, "tokenizer.model": { bytes: 377341, sha256 } },
};

test("a configuration comes back as it was; unknown fields are ignored", () => {
  expect(parseModelConfig({ ...CONFIG, future: true })).toEqual(CONFIG);
});

test("so do a policy and what it says of weights in few bits", () => {
  const quantization = {
    a: { bits: 2, groupSize: 1 },
    b: { bits: 8, groupSize: 2 ** 18, activation: "dynamic" },
    c: { bits: 4, groupSize: 32, activation: 0.25 },
  } as const;
  const quantised = { ...CONFIG, weights: "mine", quantization, policy: { name: "mine", any: ["thing"] } };
  expect(parseModelConfig(quantised)).toEqual(quantised);
  expect(parseModelConfig({ ...CONFIG, policy: undefined })).toEqual(CONFIG);
});

describe("what is wrong is named", () => {
  const encoder = (change: object) => ({ ...CONFIG, encoder: { ...CONFIG.encoder, ...change } });
  const frontend = (change: object) => ({ ...CONFIG, frontend: { ...CONFIG.frontend, ...change } });
  const quantization = (entry: unknown) => ({
    ...CONFIG,
    quantization: { [`w\n${"x".repeat(900)}`]: entry },
  });
  let deep: unknown[] = [];
  for (let i = 0; i < 100_000; i++) deep = [deep];
  test.each<[string, unknown, string | RegExp]>([
    ["no object", [], "config.json: expected an object, got a list of 0"],
    ["null", null, "config.json: expected an object, got null"],
    ["another format", { ...CONFIG, format: "gguf" }, 'format: expected "sensevoice", got "gguf"'],
    [
      "a newer version",
      { ...CONFIG, formatVersion: 3 },
      "formatVersion: expected 2 (a newer folder needs a newer sensevoice), got 3",
    ],
    [
      "an older version",
      { ...CONFIG, formatVersion: 1 },
      "formatVersion: expected 2 (convert or download the model again), got 1",
    ],
    ["no version", { ...CONFIG, formatVersion: undefined }, "formatVersion: expected 2 (convert or download"],
    ["no name", { ...CONFIG, name: "" }, 'name: expected a text, got ""'],
    ["no encoder", { ...CONFIG, encoder: undefined }, "encoder: expected an object, got undefined"],
    [
      "a size as text",
      encoder({ outputSize: "512" }),
      'encoder.outputSize: expected an integer from 1 to 65536, got "512"',
    ],
    ["a fraction", encoder({ linearUnits: 0.5 }), "encoder.linearUnits: expected an integer from 1 to 262144, got 0.5"],
    [
      "10^12 layers",
      encoder({ numBlocks: 1e12 }),
      "encoder.numBlocks: expected an integer from 1 to 1024, got 1000000000000",
    ],
    [
      "heads that do not divide",
      encoder({ attentionHeads: 3 }),
      "encoder.outputSize: expected a multiple of 3, got 512",
    ],
    ["even taps", encoder({ kernelSize: 10 }), "encoder.kernelSize: expected an odd number, got 10"],
    ["rows of another width", encoder({ inputSize: 80 }), "encoder.inputSize: expected mels × lfrM = 560, got 80"],
    ["sound at 8 kHz", frontend({ sampleRate: 8000 }), "frontend.sampleRate: expected 16000, got 8000"],
    ["a rate as text", frontend({ sampleRate: "16000" }), 'frontend.sampleRate: expected 16000, got "16000"'],
    [
      "frames with gaps between them",
      frontend({ frameShiftMs: 25 }),
      "frontend.frameShiftMs: expected less than the frames' 25 ms, got 25",
    ],
    [
      "rows with gaps between them",
      frontend({ lfrN: 8 }),
      "frontend.lfrN: expected 7 or less, the frames of a row, got 8",
    ],
    ["no front end", { ...CONFIG, frontend: null }, "frontend: expected an object, got null"],
    [
      "a size that is a list 100 000 deep",
      encoder({ numBlocks: deep }),
      "encoder.numBlocks: expected an integer from 1 to 1024, got a list of 1",
    ],
    [
      "a weight whose name is 900 letters and a line break",
      quantization({ bits: 9 }),
      /^\[weights\] config\.json: quantization\["w\\nx{58}…"\]\.bits: expected an integer from 2 to 8, got 9$/,
    ],
    ["few bits of a list", { ...CONFIG, quantization: [1] }, "quantization: expected an object, got a list of 1"],
    [
      "one bit",
      { ...CONFIG, quantization: { a: { bits: 1, groupSize: 32 } } },
      "a.bits: expected an integer from 2 to 8",
    ],
    [
      "no group",
      { ...CONFIG, quantization: { a: { bits: 4, groupSize: 0 } } },
      "a.groupSize: expected an integer from 1 to 262144, got 0",
    ],
    [
      "too large a group",
      { ...CONFIG, quantization: { a: { bits: 4, groupSize: 2 ** 18 + 1 } } },
      "a.groupSize: expected an integer from 1 to 262144, got 262145",
    ],
    ...[0, -1, Number.POSITIVE_INFINITY, "static", true].map((activation): [string, unknown, string] => [
      `an activation of ${activation}`,
      { ...CONFIG, quantization: { a: { bits: 4, groupSize: 32, activation } } },
      'a.activation: expected "dynamic" or a positive number, got ',
    ]),
    [
      "rows of an odd width",
      { ...CONFIG, encoder: { ...CONFIG.encoder, inputSize: 567 }, frontend: { ...CONFIG.frontend, mels: 81 } },
      "encoder.inputSize: expected an even number, got 567",
    ],
    ["one token", { ...CONFIG, vocabSize: 1 }, "vocabSize: expected an integer from 2 to 1048576, got 1"],
    ["2^20 tokens and one", { ...CONFIG, vocabSize: 2 ** 20 + 1 }, "vocabSize: expected an integer from 2 to 1048576"],
    ["no vocabulary", { ...CONFIG, vocabSize: 0 }, "vocabSize: expected an integer from 2 to 1048576, got 0"],
    [
      "no sum",
      { ...CONFIG, files: { ...CONFIG.files, "tokenizer.model": { bytes: 1 } } },
      'files["tokenizer.model"].sha256: expected 64 hexadecimal digits, got undefined',
    ],
    [
      "no weights",
      { ...CONFIG, files: { "tokenizer.model": { bytes: 1, sha256 } } },
      'files["model.safetensors"]: expected an object, got undefined',
    ],
  ])("%s", (_, json, message) => {
    expect(() => parseModelConfig(json)).toThrow(message);
    expect(() => parseModelConfig(json)).toThrow(SenseVoiceError);
  });

  test.each([
    ["frontend", "mels", 1, 1024],
    ["frontend", "frameLengthMs", 1, 1000],
    ["frontend", "frameShiftMs", 1, 1000],
    ["frontend", "lfrM", 1, 64],
    ["frontend", "lfrN", 1, 64],
    ["encoder", "inputSize", 4, 65536],
    ["encoder", "outputSize", 1, 65536],
    ["encoder", "attentionHeads", 1, 1024],
    ["encoder", "linearUnits", 1, 262144],
    ["encoder", "numBlocks", 1, 1024],
    ["encoder", "tpBlocks", 0, 1024],
    ["encoder", "kernelSize", 1, 1023],
  ] as const)("a size beyond what any model has: %s.%s", (part, key, min, max) => {
    const withSize = (value: number) => ({ ...CONFIG, [part]: { ...CONFIG[part], [key]: value } });
    for (const value of [min - 1, max + 1, max + 2]) {
      expect(() => parseModelConfig(withSize(value))).toThrow(
        `${part}.${key}: expected an integer from ${min} to ${max}, got ${value}`,
      );
    }
    // Sizes that do not fit together are another matter.
    for (const value of [min, max]) expect(() => parseModelConfig(withSize(value))).not.toThrow("expected an integer");
  });
});
