import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fixture, temporaryFolder } from "../convert/folder.ts";
import { hubServer } from "../convert/hubServer.ts";
import { describeGpu, hasGpu } from "../support/gpu.ts";
import { openModelFolder } from "../support/model.ts";
import { sensevoice } from "./sensevoice.ts";

const ID = "iic/SenseVoiceSmall";

describe("help", () => {
  test("--help shows the options of transcribe, the commands and examples", async () => {
    const { status, stdout, stderr } = await sensevoice(["--help"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    for (const part of ["--timestamps", "--output <dir>", "convert", "download", "info", "$ sensevoice"]) {
      expect(stdout).toContain(part);
    }
  });

  test("without files it is shown as an error", async () => {
    const { status, stdout, stderr } = await sensevoice([]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(/^Usage: sensevoice \[options\] FILE/);
  });

  test("--version", async () => {
    const { stdout } = await sensevoice(["--version"]);
    const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(stdout).toBe(`${manifest.version}\n`);
  });
});

test("info", async () => {
  const home = temporaryFolder();
  const env = { SENSEVOICE_HOME: home };
  const { status, stdout } = await sensevoice(["info", "--format", "json"], { env });
  expect(status).toBe(0);
  const info = JSON.parse(stdout);
  expect(info).toMatchObject({ node: process.version, home, defaultModel: "tiny" });
  expect(info.models).toMatchObject([{ name: "tiny", weights: "f16", problem: null }]);
  expect(info.auto).toBe(info.adapter?.hardware ? "webgpu" : "cpu");
  expect(info.adapter !== null).toBe(hasGpu);

  const text = (await sensevoice(["info"], { env })).stdout;
  expect(text).toContain(home);
  expect(text.includes("none found")).toBe(!hasGpu);
});

describeGpu("info with a GPU", () => {
  test("names the adapter and what WGSL may use there", async () => {
    const { adapter } = JSON.parse((await sensevoice(["info", "--format", "json"])).stdout);
    expect(adapter.wgslFeatures).toContain("packed_4x8_integer_dot_product");
    expect((await sensevoice(["info"])).stdout).toContain(adapter.name);
  });
});

test("convert writes a model folder and prints its path", async () => {
  const target = join(temporaryFolder(), "model");
  const args = ["convert", fixture("funasr"), target, "--dtype", "f32", "--name", "toy"];
  const { status, stdout, stderr } = await sensevoice(args);
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${target}\n`, stderr: "" });
  expect((await openModelFolder(target)).config).toMatchObject({ name: "toy", weights: "f32" });
});

describe("download", () => {
  const files = Object.fromEntries(
    readdirSync(fixture("funasr")).map((name) => [name, readFileSync(join(fixture("funasr"), name))]),
  );

  test("fetches, converts, prints the path; then it is the default model", async () => {
    const { endpoint } = await hubServer(ID, files);
    const env = { SENSEVOICE_HOME: temporaryFolder(), SENSEVOICE_ENDPOINT: endpoint };
    const { status, stdout, stderr } = await sensevoice(["download", ID, "--no-vad"], { env });
    const target = join(env.SENSEVOICE_HOME, "models", "SenseVoiceSmall");
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${target}\n`, stderr: "" });
    expect((await openModelFolder(target)).config.weights).toBe("f16");

    const info = JSON.parse((await sensevoice(["info", "--format", "json"], { env })).stdout);
    expect(info.defaultModel).toBe("small");
    expect(info.models.map(({ dir }: { dir: string }) => dir)).toContain(target);
  });

  test("a model that the hub does not have", async () => {
    const { endpoint } = await hubServer("other/model", files);
    const env = { SENSEVOICE_HOME: temporaryFolder(), SENSEVOICE_ENDPOINT: endpoint };
    const { status, stdout, stderr } = await sensevoice(["download", ID, "--from", "huggingface"], { env });
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(/^error: \[download\] \S+FunAudioLLM\/SenseVoiceSmall\S*: HTTP 404.*\n$/);
    expect(existsSync(join(env.SENSEVOICE_HOME, "models"))).toBe(false);
  });
});
