import { expect, test } from "vitest";
import { randomTensor } from "../../scripts/random-weights.ts";
import { errorsOf, type Golden, project, readGoldenJson, readGoldenTensors } from "./golden.ts";
import { TOLERANCE } from "./tolerances.ts";

/** The largest output that a golden has: the logits of the full architecture. */
const shape = [24, 25055];
const data = randomTensor("output", shape).data;
const summary = {
  shape,
  rms: Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length),
  absMax: data.reduce((max, v) => Math.max(max, Math.abs(v)), 0),
  projections: Array.from({ length: 8 }, (_, j) => project(data, j)),
};
const corner = [0, 1, 2, 3, 23].flatMap((row) => [...data.subarray(row * 25055, row * 25055 + 16)]);

test("an output is itself", () => {
  expect(errorsOf({ shape, data }, summary, corner)).toEqual({ numbers: 0, whole: 0 });
});

test.each([100, 25054, 300_000, 601_319])("one wrong number of 601 320 is noticed: %i", (at) => {
  const wrong = data.slice();
  wrong[at] += summary.rms / 10;
  const { numbers, whole } = errorsOf({ shape, data: wrong }, summary, corner);
  expect(numbers).toBeLessThan(TOLERANCE.layer); // none of those that are kept
  expect(whole).toBeGreaterThan(TOLERANCE.layerWebgpu);
});

test("an error of the whole is estimated: numbers rounded to f16", () => {
  const rounded = data.map((v) => Math.round(v * 2048) / 2048);
  const square = (of: Float32Array) => of.reduce((sum, v, i) => sum + (v - data[i]) ** 2, 0);
  const exact = Math.sqrt(square(rounded) / square(new Float32Array(data.length)));
  const { whole } = errorsOf({ shape, data: rounded }, summary, corner);
  expect(whole / exact).toBeGreaterThan(1 / 2);
  expect(whole / exact).toBeLessThan(2);
});

test("the golden files hold what is compared, and nothing else", async () => {
  const compared = ({ outputs }: Golden) => [...Object.keys(outputs), ...["top5.ids", "top5.values", "logsumexp"]];
  const { clips } = readGoldenJson<{ clips: (Golden & { file: string })[] }>("tiny.json");
  const tiny = clips.flatMap((clip) => [...compared(clip), "features"].map((name) => `${clip.file}/${name}`));
  expect([...(await readGoldenTensors("tiny.safetensors")).keys()].sort()).toEqual(tiny.sort());
  const small = compared(readGoldenJson<Golden>("random-small.json"));
  expect([...(await readGoldenTensors("random-small.safetensors")).keys()].sort()).toEqual(small.sort());
});
