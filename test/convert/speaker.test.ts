import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { readAudio } from "../../src/audio/read.ts";
import { openSpeakerFeatures } from "../../src/audio/speakerFeatures.ts";
import { convertModel } from "../../src/convert/convert.ts";
import { downloadModel, downloadSpeakers, downloadVad } from "../../src/convert/download.ts";
import { SenseVoiceError } from "../../src/error.ts";
import { createWasmBackend } from "../../src/kernels/wasm/backend.ts";
import { loadSpeaker } from "../../src/model/campplus/open.ts";
import { folderSource } from "../../src/weights/folderSource.ts";
import { findSpeaker, modelPath, SPEAKER_ID } from "../../src/weights/home.ts";
import { openSafetensors } from "../../src/weights/safetensorsFile.ts";
import { evalPath, seededSpeaker, seededSpeakerTensors } from "../support/campplus.ts";
import { openModelFolder } from "../support/model.ts";
import { randomizer } from "../support/random.ts";
import { fixture, temporaryFolder } from "./folder.ts";
import { hubServer } from "./hubServer.ts";
import { CONFIG, filesOf, folderOf, SIZES, TOY } from "./speakerFolder.ts";

const PUBLISHED = "model: CAMPPlus\n";
const toTemporary = () => join(temporaryFolder(), "speaker");

async function converted(state = TOY, config?: string, wrapper?: string): Promise<string> {
  const target = toTemporary();
  await convertModel(folderOf(state, config, wrapper), target, { dtype: "f16", name: "toy" });
  return target;
}

async function embeddingOf(dir: string, pcm: Float32Array): Promise<Float32Array> {
  const backend = await createWasmBackend({ threads: 1 });
  onTestFinished(() => backend.close());
  const model = await loadSpeaker(backend, folderSource(dir), openSpeakerFeatures);
  return (await model.embed([pcm]))[0];
}

const noise = randomizer(2)([8000], 0.1).data as Float32Array;

describe("a FunASR folder of CAM++", () => {
  test("of the published sizes gives the embeddings of its weights", async () => {
    const dir = await converted([...seededSpeakerTensors()], PUBLISHED);
    const pcm = (await readAudio(evalPath("en-001.flac"))).slice(0, 24_000);
    const backend = await createWasmBackend({ threads: 1 });
    onTestFinished(() => backend.close());
    const [expected] = await (await seededSpeaker(backend)).embed([pcm]);
    expect(await embeddingOf(dir, pcm)).toEqual(expected);
  }, 60_000);

  test("becomes a model folder in f32 with every parameter, without the counters of its training", async () => {
    const target = await converted();
    expect(readdirSync(target).toSorted()).toEqual(["config.json", "model.safetensors"]);
    const config = JSON.parse(readFileSync(join(target, "config.json"), "utf8"));
    expect(config).toMatchObject({ format: "sensevoice-speaker", formatVersion: 1, name: "toy", ...SIZES });
    const file = await openSafetensors(join(target, "model.safetensors"));
    const parameters = TOY.filter(([, { data }]) => data);
    expect(file.names).toEqual(parameters.map(([name]) => name));
    for (const [name, { shape, data }] of parameters) {
      expect(await file.read(name), name).toEqual({ dtype: "f32", shape, data });
    }
    await file.close();
    expect((await embeddingOf(target, noise)).every(Number.isFinite)).toBe(true);
  });

  test.each(["state_dict", "model_state_dict", "model"])(
    "is taken out of a wrapper: %s, and module.",
    async (wrapper) => {
      const wrapped = TOY.map(([name, tensor]) => [`module.${name}`, tensor] as const);
      const plain = await embeddingOf(await converted(), noise);
      expect(await embeddingOf(await converted(wrapped, CONFIG, wrapper), noise)).toEqual(plain);
    },
  );

  test("does not take the place of a recogniser, nor a recogniser its", async () => {
    const target = await converted();
    await convertModel(folderOf(), target, { dtype: "f32" });
    await expect(convertModel(fixture("funasr"), target, { dtype: "f16" })).rejects.toThrow(/is not a model folder/);
    await expect(convertModel(fixture("fsmnvad"), target, { dtype: "f16" })).rejects.toThrow(
      /exists and is not a voice activity model folder; nothing was changed$/,
    );
    const model = join(temporaryFolder(), "model");
    await convertModel(fixture("funasr"), model, { dtype: "f16" });
    await expect(convertModel(folderOf(), model, { dtype: "f16" })).rejects.toThrow(
      /model: exists and is not a speaker model folder; nothing was changed$/,
    );
    await expect(openModelFolder(target)).rejects.toThrow('format: expected "sensevoice", got "sensevoice-speaker"');
  });

  test("a damaged file is an error", async () => {
    const target = await converted();
    const path = join(target, "model.safetensors");
    const bytes = readFileSync(path);
    bytes[bytes.length - 5] ^= 1;
    writeFileSync(path, bytes);
    await expect(embeddingOf(target, noise)).rejects.toThrow(/model\.safetensors: expected sha256/);
  });

  test.each([
    ["another nonlinearity", "batchnorm-relu", "batchnorm-prelu", /config_str: only "batchnorm-relu" is supported/],
    ["an embedding a frame", "segment", "frame", /output_level: only "segment" is supported, got "frame"$/],
    [
      "a number of mels that cannot be halved",
      "feat_dim: 8",
      "feat_dim: 12",
      /feat_dim: expected a multiple of 8, got 12$/,
    ],
    ["a text for a size", "bn_size: 1", "bn_size: four", /bn_size: expected an integer from 1 to 16, got "four"$/],
    ["a wider network", "init_channels: 32", "init_channels: 64", /tdnn\.linear\.weight: expected shape \[64,32,5\]/],
    ["an odd width", "growth_rate: 32", "growth_rate: 24", /growth_rate: expected a multiple of 32, got 24$/],
  ])("what cannot be converted is one line: %s", async (_, from, to, message) => {
    expect(CONFIG).toContain(from);
    const target = toTemporary();
    const conversion = convertModel(folderOf(TOY, CONFIG.replace(from, to)), target, { dtype: "f16" });
    await expect(conversion).rejects.toThrow(message);
    await expect(conversion).rejects.toThrow(SenseVoiceError);
    expect(existsSync(target)).toBe(false);
  });

  test("a parameter that is missing, one too many and one of another shape are errors", async () => {
    const without = TOY.filter(([name]) => name !== "head.bn2.running_var");
    await expect(converted(without)).rejects.toThrow(
      'campplus_cn_common.bin: the parameter "head.bn2.running_var" is missing',
    );
    const more = [...TOY, ["head.conv3.weight", { shape: [1], data: new Float32Array(1) }] as const];
    await expect(converted(more)).rejects.toThrow('unexpected parameter "head.conv3.weight"');
    const other = TOY.map(([name, tensor]) => {
      return [name, name === "head.bn1.bias" ? { shape: [31], data: new Float32Array(31) } : tensor] as const;
    });
    await expect(converted(other)).rejects.toThrow("head.bn1.bias: expected shape [32], got [31]");
  });
});

describe("what cannot be embedded is one line", () => {
  test.each([
    ["no sample", new Float32Array(0), "audio: expected sound, got 0 samples"],
    ["less than a frame", noise.subarray(0, 399), "[speaker] audio: expected 400 samples or more, got 399"],
    [
      "less than three frames",
      noise.subarray(0, 719),
      "[speaker] chunk: expected 3 frames or more (720 samples), got 2",
    ],
    ["a sample that is no number", noise.map((v, i) => (i === 7 ? Number.NaN : v)), /NaN/],
  ])("%s", async (_, pcm, message) => {
    const target = await converted();
    await expect(embeddingOf(target, pcm)).rejects.toThrow(message);
    expect((await embeddingOf(target, noise.subarray(0, 720))).every(Number.isFinite)).toBe(true);
  });

  test("an aborted call ends", async () => {
    const backend = await createWasmBackend({ threads: 1 });
    onTestFinished(() => backend.close());
    const model = await loadSpeaker(backend, folderSource(await converted()), openSpeakerFeatures);
    const reason = new Error("enough");
    await expect(model.embed([noise], AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(await model.embed([])).toEqual([]);
    model.release();
  });
});

describe("downloading it", () => {
  const inHome = () => {
    vi.stubEnv("SENSEVOICE_HOME", temporaryFolder());
    onTestFinished(() => void vi.unstubAllEnvs());
  };

  test.each([
    ["modelscope", SPEAKER_ID],
    ["huggingface", "funasr/campplus"],
  ] as const)("from %s beside a model", async (from, id) => {
    inHome();
    const model = join(temporaryFolder(), "model");
    await convertModel(fixture("funasr"), model, { dtype: "f16" });
    const { endpoint } = await hubServer(id, filesOf(folderOf()));
    await downloadSpeakers(model, { from, endpoint });
    expect(findSpeaker(model)).toBe(join(model, "speaker"));
    expect((await embeddingOf(join(model, "speaker"), noise)).length).toBe(6);
  });

  test("by itself it is found for every model, and nothing is put into it", async () => {
    inHome();
    expect(findSpeaker("nowhere")).toBe(undefined);
    const { endpoint, requests } = await hubServer(SPEAKER_ID, filesOf(folderOf()));
    const dir = await downloadModel(SPEAKER_ID, { endpoint });
    expect(dir).toBe(modelPath(SPEAKER_ID));
    expect(findSpeaker("nowhere")).toBe(dir);
    requests.length = 0;
    await downloadSpeakers(dir, { endpoint });
    await downloadVad(dir, { endpoint });
    expect(requests).toEqual([]);
  });

  test("that of the downloaded model serves the others", async () => {
    inHome();
    const speaker = join(modelPath("iic/SenseVoiceSmall"), "speaker");
    mkdirSync(modelPath("iic/SenseVoiceSmall"), { recursive: true });
    await convertModel(folderOf(), speaker, { dtype: "f16" });
    expect(findSpeaker("nowhere")).toBe(speaker);
  });

  test("where the hub does not have it, the error says that the model is complete", async () => {
    inHome();
    const model = join(temporaryFolder(), "model");
    await convertModel(fixture("funasr"), model, { dtype: "f16" });
    const { endpoint } = await hubServer("other/model", {});
    await expect(downloadSpeakers(model, { endpoint })).rejects.toThrow(
      /HTTP 404.*; speakers are missing, the model \S+ is complete without it$/,
    );
  });
});
