import { expect, test } from "vitest";
import { referenceBackend } from "../../../src/kernels/reference/backend.ts";
import { SenseVoice } from "../../../src/model/sensevoice/network.ts";
import { loadWeights } from "../../../src/model/sensevoice/weights.ts";
import { TOY, toyTensors } from "../../support/toyModel.ts";

const OPERATIONS = ["linear", "layerNorm", "sanm", "ctcTopK", "ctcLogProbs"] as const;
const MEMORY = ["upload", "release"] as const;

test("prepare runs every operation of a recognition and of its word times, inside the backend's own prepare", async () => {
  const backend = referenceBackend();
  const weights = await loadWeights(backend, TOY, toyTensors([undefined]));
  let log: string[] = [];
  let inside = false;
  const spied = { ...backend };
  for (const name of [...OPERATIONS, ...MEMORY]) {
    const operation = backend[name] as (...args: unknown[]) => never;
    Object.assign(spied, {
      [name]: (...args: unknown[]) => {
        log.push(inside ? name : `${name} outside`);
        return operation(...args);
      },
    });
  }
  spied.prepare = async (record) => {
    inside = true;
    await record();
    inside = false;
  };
  const model = new SenseVoice(spied, TOY.encoder, weights);
  await model.prepare();
  const prepared = log;
  log = [];
  inside = true;
  const features = { rows: 9, data: new Float32Array(9 * TOY.encoder.inputSize).fill(0.1) };
  const heard = await model.recognize([{ language: "zh", itn: true, features }]);
  await heard.clips[0].logProbsOf(Uint32Array.of(1, 2), 4, 9);
  heard.release();
  const times = prepared.length / log.length; // once for each number of rows
  expect(times).toBeGreaterThan(1);
  expect(prepared).toEqual(Array.from({ length: times }, () => log).flat());
  expect(new Set(prepared)).toEqual(new Set([...OPERATIONS, ...MEMORY]));
});
