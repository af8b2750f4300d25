import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { collapse } from "../../src/model/sensevoice/ctc.ts";
import type { SenseVoice } from "../../src/model/sensevoice/network.ts";
import type { Prompt } from "../../src/model/sensevoice/prompt.ts";
import type { LinearWeight, Tensor } from "../../src/tensor/backend.ts";
import { openSafetensors } from "../../src/weights/safetensorsFile.ts";
import { relativeError, TOLERANCE } from "./tolerances.ts";

/** What FunASR computed for one clip; test/golden/README.md describes the files. */
export interface Golden {
  readonly tokens: readonly number[];
  /** Mean, root mean square and largest magnitude of each layer's whole output, by FunASR's name. */
  readonly outputs: Readonly<Record<string, { shape: number[]; mean: number; rms: number; absMax: number }>>;
}

const path = (name: string) => fileURLToPath(new URL(`../golden/${name}`, import.meta.url));

export function readGoldenJson<T>(name: string): T {
  return JSON.parse(readFileSync(path(name), "utf8")) as T;
}

/** All tensors of a golden file as plain arrays. */
export async function readGoldenTensors(name: string): Promise<Map<string, Float32Array>> {
  const file = await openSafetensors(path(name));
  const tensors = new Map<string, Float32Array>();
  for (const key of file.names) tensors.set(key, Float32Array.from((await file.read(key)).data));
  await file.close();
  return tensors;
}

/**
 * Encodes and compares every layer with FunASR: a slice (rows 0 to 3 and the last, columns 0 to 15) number by
 * number, the whole by its root mean square and largest magnitude; then the tokens.
 * @returns the largest relative error of a layer
 */
export async function expectGolden<T extends Tensor, W extends LinearWeight<T>>(
  model: SenseVoice<T, W>,
  prompt: Prompt,
  golden: Golden,
  slice: (name: string) => Float32Array | undefined,
): Promise<number> {
  const outputs: [name: string, shape: readonly number[], data: Float32Array][] = [];
  const tap = async (name: string, output: T) => {
    outputs.push([name, output.shape, await model.backend.read(output)]);
  };
  const { x, batch } = await model.encode([prompt], { tap });
  [x, batch.offsets].forEach(model.backend.release);

  const layers = Object.keys(golden.outputs).filter((name) => name !== "logits");
  expect(outputs.map(([name]) => name)).toEqual(layers);
  let worst = 0;
  for (const [name, shape, data] of outputs) {
    const expected = golden.outputs[name];
    expect(shape, name).toEqual(expected.shape);
    const [rows, columns] = shape;
    const part = [0, 1, 2, 3, rows - 1].flatMap((row) => [
      ...data.subarray(row * columns, row * columns + 16),
    ]);
    const wanted = slice(name);
    if (!wanted) throw new Error(`the golden has no slice of ${name}`);
    const rms = Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length);
    const absMax = data.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
    const errors = [
      relativeError(part, wanted),
      relativeError([rms], [expected.rms]),
      relativeError([absMax], [expected.absMax]),
    ];
    for (const error of errors) expect(error, name).toBeLessThan(TOLERANCE.layer);
    worst = Math.max(worst, ...errors);
  }
  const heard = await model.recognize([prompt]);
  expect(collapse(heard.ids[0])).toEqual(golden.tokens);
  heard.release();
  return worst;
}
