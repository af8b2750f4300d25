import { createHash } from "node:crypto";
import { mkdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { listModels } from "../../src/cli/info.ts";
import { convertModel } from "../../src/convert/convert.ts";
import { createEngine } from "../../src/node.ts";
import { f16ToF32 } from "../../src/tensor/f16.ts";
import { defaultModel, findModel, home, modelPath } from "../../src/weights/home.ts";
import { fixture, floatTensors, temporaryFolder } from "../convert/folder.ts";
import { openModelFolder } from "../support/model.ts";

beforeEach(() => vi.stubEnv("SENSEVOICE_HOME", temporaryFolder()));
afterEach(() => vi.unstubAllEnvs());

describe("findModel", () => {
  test("small: not before it is downloaded", async () => {
    expect(() => findModel("small")).toThrow(
      "[weights] small: not downloaded yet; run: sensevoice download iic/SenseVoiceSmall",
    );
    await convertModel(fixture("funasr"), modelPath("iic/SenseVoiceSmall"), { dtype: "f16" });
    expect(findModel("small")).toBe(join(home(), "models", "SenseVoiceSmall"));
  });

  test("a folder's path, and one that is not there", () => {
    const dir = temporaryFolder();
    expect(findModel(dir)).toBe(dir);
    expect(() => findModel(join(dir, "none"))).toThrow(/expected "tiny", "small" or a model folder; there is no/);
  });

  test("home without SENSEVOICE_HOME", () => {
    vi.stubEnv("SENSEVOICE_HOME", "");
    expect(home()).toBe(join(homedir(), ".cache", "sensevoice"));
  });
});

test("who names no model gets small once it is there, in the library as on the command line", async () => {
  expect(defaultModel()).toBe("tiny");
  await (await createEngine({ device: "reference" })).close();
  const small = modelPath("iic/SenseVoiceSmall");
  mkdirSync(small, { recursive: true });
  expect(defaultModel()).toBe("small");
  await expect(createEngine({ device: "reference" })).rejects.toThrow(`${small}: expected a model folder`);
});

test("listModels: tiny, what is in home, and what is wrong with it", async () => {
  await convertModel(fixture("funasr"), modelPath("me/Mine"), { dtype: "f16" });
  await convertModel(fixture("funasr"), modelPath("me/.half-done"), { dtype: "f16" });
  const models = await listModels();
  expect(models.map(({ dir }) => basename(dir))).toEqual(["tiny", "Mine"]);
  expect(models.map(({ name }) => name)).toEqual(["tiny", "funasr"]);
  vi.stubEnv("SENSEVOICE_HOME", join(fixture(".")));
  expect((await listModels()).length).toBe(1);
});

describe("weights/tiny", () => {
  test("is whole, small and all f16 but for the small parameters", async () => {
    const dir = findModel("tiny");
    const folder = await openModelFolder(dir);
    const { config } = folder;
    expect(config).toMatchObject({ name: "tiny", weights: "f16", vocabSize: 995 });
    expect(statSync(join(dir, "model.safetensors")).size).toBeLessThan(16e6);
    let parameters = 0;
    for await (const [name, { dtype, shape, data }] of floatTensors(folder)) {
      if (!name.startsWith("frontend.")) parameters += data.length;
      expect(dtype, name).toBe(shape.length === 2 && !name.includes("fsmn_block") ? "f16" : "f32");
    }
    expect(parameters).toBe(6840387);
  });

  // SHA-256 over all parameters of the FunASR checkpoint as f32, in the order of their names, by PyTorch:
  // hash of b"".join(state[name].float().numpy().tobytes() for name in sorted(state))
  test("its parameters are the checkpoint's, bit for bit", async () => {
    const values = new Map<string, Uint8Array>();
    for await (const [name, { dtype, data }] of floatTensors(await openModelFolder(findModel("tiny")))) {
      if (name.startsWith("frontend.")) continue;
      const floats = dtype === "f16" ? f16ToF32(data as Uint16Array) : data;
      values.set(name, new Uint8Array(floats.buffer));
    }
    const hash = createHash("sha256");
    for (const name of [...values.keys()].sort()) hash.update(values.get(name) as Uint8Array);
    expect(hash.digest("hex")).toBe("085ed23f9d93a97575c1d7b983287e7c859d62347a70c960c50e75bea8d62393");
  });
});
