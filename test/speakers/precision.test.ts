import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { convertModel } from "../../src/convert/convert.ts";
import { createWasmBackend } from "../../src/kernels/wasm/backend.ts";
import { Campplus } from "../../src/model/campplus/network.ts";
import { createEngine } from "../../src/node.ts";
import { cosine } from "../../src/speakers/vectors.ts";
import { temporaryFolder } from "../convert/folder.ts";
import { folderOf } from "../convert/speakerFolder.ts";
import { all } from "../speech/support.ts";
import { seededSpeaker, seededSpeakerTensors } from "../support/campplus.ts";
import { TOLERANCE } from "../support/tolerances.ts";

test("the network is int8 where the recogniser is, and f32 in FunASR's mode, in one engine", {
  timeout: 120_000,
}, async () => {
  const speakerModel = join(temporaryFolder(), "speaker");
  await convertModel(folderOf([...seededSpeakerTensors()], "model: CAMPPlus\n"), speakerModel, { dtype: "f32" });
  const backend = await createWasmBackend();
  const exact = await seededSpeaker(backend);
  await using engine = await createEngine({ model: "tiny", device: "cpu", speakerModel });
  expect(engine.weights).toBe("int8");
  const spy = vi.spyOn(Campplus.prototype, "embed");
  const sound = new URL("../../samples/zh.wav", import.meta.url).pathname;
  for (const [speakerMode, isExact] of [
    ["default", false],
    ["funasr", true],
    ["default", false],
  ] as const) {
    spy.mockClear();
    await all(engine.transcribe(sound, { speakers: true, speakerMode }));
    const [[windows], ...more] = spy.mock.calls;
    const got = await (spy.mock.results[0].value as Promise<Float32Array[]>);
    expect(more.length).toBeLessThanOrEqual(1);
    const expected = await exact.embed(windows);
    for (const [i, embedding] of expected.entries()) {
      const error = Math.max(...embedding.map((v, j) => Math.abs(got[i][j] - v)));
      if (isExact) expect(error).toBeLessThan(TOLERANCE.embedding);
      else {
        expect(error).toBeGreaterThan(TOLERANCE.embedding);
        expect(1 - cosine(got[i], embedding)).toBeLessThan(TOLERANCE.speakerInt8);
      }
    }
  }
  spy.mockRestore();
  backend.close();
});
