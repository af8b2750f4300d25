import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readAudio } from "../../../src/audio/read.ts";
import { createWasmBackend } from "../../../src/kernels/wasm/backend.ts";
import { quantizeWeight } from "../../../src/quant/quantize.ts";
import { funasrLabels } from "../../../src/speakers/funasr.ts";
import { byAppearance } from "../../../src/speakers/turn.ts";
import { cosine } from "../../../src/speakers/vectors.ts";
import { groupVoices } from "../../../src/speakers/voices.ts";
import { evalPath, seededSpeaker } from "../../support/campplus.ts";
import { embeddingsFrom, goldenLines, jsonLines } from "../../support/speakers.ts";
import { TOLERANCE } from "../../support/tolerances.ts";

interface SpeakerCase {
  readonly name: string;
  readonly start: number;
  readonly read: number;
  readonly padded: number;
  readonly embedding: Float32Array;
}

const int8Speaker = async (threads?: number) => {
  const backend = await createWasmBackend({ threads });
  return { backend, model: await seededSpeaker(backend, (weight) => quantizeWeight(weight, "int8")) };
};

test.each([1, 2])(
  "in int8 on %i threads embeddings point where FunASR's do",
  async (threads) => {
    const cases = goldenLines<SpeakerCase>("embeddings.jsonl");
    const clips = await Promise.all(
      cases.map(async ({ name, start, read, padded }) => {
        const clip = new Float32Array(read + padded);
        clip.set((await readAudio(evalPath(name))).subarray(start, start + read));
        return clip;
      }),
    );
    const { backend, model } = await int8Speaker(threads);
    const embeddings = await model.embed(clips);
    const off = cases.map(({ embedding }, i) => 1 - cosine(embeddings[i], embedding));
    console.info(`int8: 1 − cosine ${off.map((v) => v.toExponential(1)).join(", ")}`);
    expect(Math.max(...off)).toBeLessThan(TOLERANCE.speakerInt8);
    backend.close();
  },
  60_000,
);

const assets = process.env.SENSEVOICE_ASSETS ?? "";
const golden = join(assets, "../golden/spk/pipeline.jsonl");

interface Pipeline {
  readonly key: string;
  readonly preset_spk_num: number | null;
  readonly defined: boolean;
  readonly chunks: readonly (readonly [start: number, end: number])[];
  readonly embeddings?: string;
  readonly labels: readonly number[];
}

describe.skipIf(!existsSync(golden))("FunASR's pipeline on 14 recordings, in int8", () => {
  test("cosines and partitions", { timeout: 600_000 }, async () => {
    const { backend, model } = await int8Speaker();
    const lines = jsonLines<Pipeline>(golden);
    const figures = { chunks: 0, off: 0, meanOff: 0, pairs: 0, sets: 0, ours: 0, defined: 0, kept: 0 };
    for (const { key, chunks, embeddings: base64, defined, labels } of lines.filter(({ embeddings }) => embeddings)) {
      const pcm = await readAudio(join(assets, `../golden/vad/${key}.flac`));
      const expected = embeddingsFrom(base64 ?? "");
      const clips = chunks.map(([start, end]) => {
        const clip = new Float32Array(24_000);
        clip.set(pcm.subarray(Math.round(start * 16_000), Math.round(end * 16_000)));
        return clip;
      });
      const got = await model.embed(clips);
      for (const [i, embedding] of expected.entries()) {
        const off = 1 - cosine(got[i], embedding);
        figures.chunks++;
        figures.meanOff += off;
        figures.off = Math.max(figures.off, off);
        for (let j = 0; j < i; j++) {
          figures.pairs = Math.max(figures.pairs, Math.abs(cosine(got[i], got[j]) - cosine(embedding, expected[j])));
        }
      }
      figures.sets++;
      const same = (a: readonly number[], b: readonly number[]) => byAppearance(a).join() === byAppearance(b).join();
      if (same(groupVoices(got), groupVoices(expected))) figures.ours++;
      if (!defined) continue;
      figures.defined++;
      if (same(funasrLabels(got), labels)) figures.kept++;
    }
    console.info(JSON.stringify({ ...figures, meanOff: figures.meanOff / figures.chunks }));
    expect(figures.kept).toBe(figures.defined);
    backend.close();
  });
});
