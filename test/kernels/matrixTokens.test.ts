import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { extractFeatures } from "../../src/audio/features.ts";
import { countEdits, editDistance } from "../../src/eval/align.ts";
import { webgpuBackend } from "../../src/kernels/webgpu/backend.ts";
import type { Gpu } from "../../src/kernels/webgpu/gpu.ts";
import { provenMatrices } from "../../src/kernels/webgpu/linear/selfTest.ts";
import { greedy } from "../../src/model/sensevoice/ctc.ts";
import { SenseVoice } from "../../src/model/sensevoice/network.ts";
import { loadWeights } from "../../src/model/sensevoice/weights.ts";
import { readAudio } from "../../src/node.ts";
import { TINY } from "../../src/weights/home.ts";
import { hasGpu, testGpu } from "../support/gpu.ts";
import { openModelFolder } from "../support/model.ts";

interface Answer {
  readonly key: string;
  readonly language: "auto";
  readonly use_itn: boolean;
  readonly tokens: readonly number[];
}

const file = (name: string) => new URL(`../eval/${name}`, import.meta.url).pathname;

/** A device that has them, told that it is hardware; undefined where there is none. */
async function matrixGpu(): Promise<Gpu | undefined> {
  const gpu = await testGpu();
  if (!gpu.traits.f16Matrix) return gpu.close() as undefined;
  gpu.traits = { ...gpu.traits, software: false };
  gpu.traits = { ...gpu.traits, proven: await provenMatrices(gpu) };
  return gpu;
}

const gpu = hasGpu ? await matrixGpu() : undefined;

test.skipIf(!gpu)(
  "with f16 matrices at most 0.1 % of FunASR's tokens of the 200 clips change",
  async () => {
    const answers: Answer[] = readFileSync(file("funasr.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const device = gpu as Gpu;
    const names = new Set<string>();
    const dispatch = device.dispatch.bind(device);
    device.dispatch = (one) => {
      names.add(one.kernel.name);
      dispatch(one);
    };
    const { config, tensors } = await openModelFolder(TINY);
    const backend = webgpuBackend(device);
    const weights = await loadWeights(backend, config, tensors());
    const model = new SenseVoice(backend, config.encoder, weights);
    let [changed, total] = [0, 0];
    for (const { key, language, use_itn: itn, tokens } of answers) {
      const features = await extractFeatures(await readAudio(file(`${key}.flac`)), config.frontend, weights.cmvn);
      const { clips, release } = await model.recognize([{ language, itn, features }]);
      release();
      changed += editDistance(countEdits(tokens, greedy(clips[0]).tokens));
      total += tokens.length;
    }
    device.close();
    expect([...names].filter((name) => /matrix/.test(name))).not.toEqual([]);
    expect(total).toBeGreaterThan(2500);
    expect(changed / total).toBeLessThanOrEqual(0.001);
  },
  900_000,
);
