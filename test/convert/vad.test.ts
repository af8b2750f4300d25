import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { openCheckpoint } from "../../src/convert/checkpoint.ts";
import { convertModel } from "../../src/convert/convert.ts";
import { downloadModel, downloadVad } from "../../src/convert/download.ts";
import { SenseVoiceError } from "../../src/error.ts";
import { referenceBackend } from "../../src/kernels/reference/backend.ts";
import { loadVad } from "../../src/model/fsmnVad/open.ts";
import { folderSource } from "../../src/weights/folderSource.ts";
import { findVad, modelPath, VAD_ID } from "../../src/weights/home.ts";
import { httpSource } from "../../src/weights/httpSource.ts";
import { openSafetensors } from "../../src/weights/safetensorsFile.ts";
import { openModelFolder } from "../support/model.ts";
import { fixture, temporaryFolder } from "./folder.ts";
import { hubServer } from "./hubServer.ts";

const SOURCE = fixture("fsmnvad");

const FILES = Object.fromEntries(readdirSync(SOURCE).map((name) => [name, readFileSync(join(SOURCE, name))]));

async function converted(): Promise<string> {
  const target = join(temporaryFolder(), "vad");
  await convertModel(SOURCE, target, { dtype: "f16", name: "toy" });
  return target;
}

/** The probabilities of silence of ten rows. */
async function silenceOf(source: Parameters<typeof loadVad>[1]): Promise<Float32Array> {
  const vad = await loadVad(referenceBackend(), source);
  return vad.open().silence(Float32Array.from({ length: 120 }, (_, i) => Math.sin(i)));
}

describe("a FunASR folder of FSMN-VAD", () => {
  test("becomes a model folder in f32 with every parameter of FunASR's own class and the options", async () => {
    const target = await converted();
    expect(readdirSync(target).toSorted()).toEqual(["config.json", "model.safetensors"]);
    const { config } = await loadVad(referenceBackend(), folderSource(target));
    expect(config).toMatchObject({
      ...{ format: "sensevoice-vad", name: "toy" },
      encoder: { inputSize: 12, inputAffineSize: 6, layers: 2, linearSize: 10, projectionSize: 6, taps: 3 },
      frontend: { sampleRate: 16000, mels: 4, frameLengthMs: 25, frameShiftMs: 10, lfrM: 3, lfrN: 1 },
      detector: { maxEndSilenceMs: 700, maxSegmentMs: 60_000, extend: true, silenceClasses: [0, 3] },
    });
    const checkpoint = await openCheckpoint(join(SOURCE, "model.pt"));
    const file = await openSafetensors(join(target, "model.safetensors"));
    for (const name of checkpoint.tensors.keys()) {
      const [got, expected] = [await file.read(name), await checkpoint.read(name)];
      expect(got.dtype, name).toBe("f32");
      expect(got.data, name).toEqual(expected.data);
    }
    expect((await file.read("frontend.cmvn.shift")).data).toEqual(Float32Array.from({ length: 12 }, (_, i) => 0 - i));
    await Promise.all([checkpoint.close(), file.close()]);
  });

  test("does not take the place of a recogniser, nor a recogniser its", async () => {
    const target = await converted();
    await convertModel(SOURCE, target, { dtype: "f32" });
    await expect(convertModel(fixture("funasr"), target, { dtype: "f16" })).rejects.toThrow(/is not a model folder/);
    const model = join(temporaryFolder(), "model");
    await convertModel(fixture("funasr"), model, { dtype: "f16" });
    await expect(convertModel(SOURCE, model, { dtype: "f16" })).rejects.toThrow(
      /model: exists and is not a voice activity model folder; nothing was changed$/,
    );
    await expect(openModelFolder(target)).rejects.toThrow(
      'config.json: format: expected "sensevoice", got "sensevoice-vad"',
    );
  });

  test("in the subfolder of a model it stays when that is converted again", async () => {
    const model = join(temporaryFolder(), "model");
    await convertModel(fixture("funasr"), model, { dtype: "f16" });
    await convertModel(SOURCE, join(model, "vad"), { dtype: "f16" });
    await convertModel(fixture("funasr"), model, { dtype: "f32" });
    expect(findVad(model)).toBe(join(model, "vad"));
    await silenceOf(folderSource(join(model, "vad")));
  });

  test("a server gives the same answers as the folder", async () => {
    const target = await converted();
    const server = createServer((request, response) => {
      response.end(readFileSync(join(target, (request.url ?? "").slice(1))));
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await silenceOf(httpSource(url))).toEqual(await silenceOf(folderSource(target)));
  });

  test("a damaged file is an error", async () => {
    const target = await converted();
    const path = join(target, "model.safetensors");
    const bytes = readFileSync(path);
    bytes[bytes.length - 5] ^= 1;
    writeFileSync(path, bytes);
    await expect(silenceOf(folderSource(target))).rejects.toThrow(/model\.safetensors: expected sha256/);
    const config = join(target, "config.json");
    writeFileSync(config, readFileSync(config, "utf8").replace("700", "701"));
    await expect(silenceOf(folderSource(target))).rejects.toThrow(/config\.json: digest: .*it was changed/);
  });

  test.each([
    ["another front end", "WavFrontendOnline", "WavFrontend", /frontend: only "WavFrontendOnline" is supported/],
    ["a memory of what comes", "rorder: 0", "rorder: 1", /encoder_conf\.rorder: only 0 is supported, got 1$/],
    ["a memory with gaps", "lstride: 1", "lstride: 2", /encoder_conf\.lstride: only 1 is supported, got 2$/],
    ["sound at 8 kHz", "fs: 16000", "fs: 8000", /frontend_conf\.fs: expected 16000, got 8000$/],
    ["a row for two frames", "lfr_n: 1", "lfr_n: 2", /frontend_conf\.lfr_n: expected 1, a row a frame, got 2$/],
    ["a row of one frame", "lfr_m: 3", "lfr_m: 1", /frontend_conf\.lfr_m: expected 2 or more, got 1$/],
    ["an odd width", "n_mels: 4", "n_mels: 5", /input_dim: expected mels × lfrM = 15, got 12$/],
    ["10^12 layers", "fsmn_layers: 2", "fsmn_layers: 1000000000000", /fsmn_layers: expected an integer from 1 to/],
    ["fewer layers", "fsmn_layers: 2", "fsmn_layers: 1", /unexpected parameter "encoder\.fsmn\.1\./],
    ["a wider layer", "linear_dim: 10", "linear_dim: 11", /weight: expected shape \[11,6\], got \[10,6\]$/],
    [
      "frames of another length",
      "length_ms: 25",
      "length_ms: 20",
      /frame_length_ms: expected frame_length, 25, got 20/,
    ],
    ["another number of silent classes", "pdf_num: 2", "pdf_num: 1", /silence_pdf_num: expected the number of sil_/],
    ["a class that there is not", "- 3", "- 5", /sil_pdf_ids: expected an integer from 0 to 4, got 5$/],
    ["a mode that there is not", "detect_mode: 1", "detect_mode: 2", /detect_mode: expected 0 or 1, got 2$/],
    [
      "a text for a time",
      "time: 700",
      "time: long",
      /max_end_silence_time: expected an integer from 0 .*, got "long"$/,
    ],
    ["a window of no frame", "do_extend: 1", "window_size_ms: 9", /window_size_ms: expected an integer from 10 to/],
  ])("what cannot be converted is one line: %s", async (_, from, to, message) => {
    const source = join(temporaryFolder(), "source");
    cpSync(SOURCE, source, { recursive: true });
    const path = join(source, "config.yaml");
    const text = readFileSync(path, "utf8");
    expect(text).toContain(from);
    writeFileSync(path, text.replace(from, to));
    const target = join(temporaryFolder(), "vad");
    const conversion = convertModel(source, target, { dtype: "f16" });
    await expect(conversion).rejects.toThrow(message);
    await expect(conversion).rejects.toThrow(SenseVoiceError);
    expect(existsSync(target)).toBe(false);
  });
});

describe("downloading it", () => {
  const inHome = () => {
    vi.stubEnv("SENSEVOICE_HOME", temporaryFolder());
    onTestFinished(() => void vi.unstubAllEnvs());
  };

  test.each([
    ["modelscope", VAD_ID],
    ["huggingface", "funasr/fsmn-vad"],
  ] as const)("from %s beside a model", async (from, id) => {
    inHome();
    const model = join(temporaryFolder(), "model");
    await convertModel(fixture("funasr"), model, { dtype: "f16" });
    const { endpoint, requests } = await hubServer(id, FILES);
    await downloadVad(model, { from, endpoint });
    await silenceOf(folderSource(join(model, "vad")));
    expect(requests.filter((line) => line.includes(id)).length).toBeGreaterThan(3);
    expect(findVad(model)).toBe(join(model, "vad"));
  });

  test("by itself it is found for every model, and is not put into itself", async () => {
    inHome();
    expect(findVad("nowhere")).toBe(undefined);
    const { endpoint, requests } = await hubServer(VAD_ID, FILES);
    const dir = await downloadModel(VAD_ID, { endpoint });
    expect(dir).toBe(modelPath(VAD_ID));
    expect(findVad("nowhere")).toBe(dir);
    requests.length = 0;
    await downloadVad(dir, { endpoint });
    expect(requests).toEqual([]);
  });

  test("that of the downloaded model serves the others", async () => {
    inHome();
    const vad = join(modelPath("iic/SenseVoiceSmall"), "vad");
    mkdirSync(modelPath("iic/SenseVoiceSmall"), { recursive: true });
    await convertModel(SOURCE, vad, { dtype: "f16" });
    expect(findVad("nowhere")).toBe(vad);
  });

  test("where the hub does not have it, the error says that the model is complete", async () => {
    inHome();
    const model = join(temporaryFolder(), "model");
    await convertModel(fixture("funasr"), model, { dtype: "f16" });
    const { endpoint } = await hubServer("other/model", FILES);
    await expect(downloadVad(model, { endpoint })).rejects.toThrow(
      /HTTP 404.*; voice activity is missing, the model \S+ is complete without it$/,
    );
    await openModelFolder(model);
  });
});
