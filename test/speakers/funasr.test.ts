import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SenseVoiceError } from "../../src/error.ts";
import { everyHalf } from "../../src/speakers/chunks.ts";
import { funasrLabels } from "../../src/speakers/funasr.ts";
import { laplacianOf, prunedAffinity, spectral } from "../../src/speakers/spectral.ts";
import { byAppearance, type Turn } from "../../src/speakers/turn.ts";
import { funasrSpeaker, turnsOf } from "../../src/speakers/turns.ts";
import { centresOf } from "../../src/speakers/vectors.ts";
import { embeddingsFrom, goldenLines, jsonLines, talk } from "../support/speakers.ts";

interface Answer {
  readonly partitions: readonly { readonly labels: readonly number[] }[];
  readonly defined: boolean;
  /** Distance to the next eigenvalue: where it is rounding noise the eigenvectors may be any. */
  readonly gap_after?: number;
}

interface Clusters extends Answer {
  readonly id: number;
  readonly note: string;
  readonly n: number;
  readonly embeddings: string;
  readonly kept_per_row?: number;
  readonly laplacian?: { readonly trace: number; readonly abs_sum: number; readonly nonzero: number };
  readonly eigenvalues?: readonly number[];
  readonly gap_speakers?: number;
  readonly before_merge?: readonly number[];
  readonly speakers_found: number;
  readonly oracle: readonly (Answer & { readonly oracle_num: number })[];
}

const sets = goldenLines<Clusters>("clusters.jsonl");

/** The one answer where the reference has one; else one of its most frequent, unless its eigenvectors are noise. */
function expectAnswer(labels: readonly number[], answer: Answer): void {
  const ours = byAppearance(labels);
  const listed = answer.partitions.map((partition) => partition.labels);
  if (answer.defined) expect(ours).toEqual(listed[0]);
  else if ((answer.gap_after ?? 1) > 1e-6) expect(listed).toContainEqual(ours);
  else expect(new Set(ours).size).toBe(new Set(listed[0]).size);
}

describe("clusters as FunASR finds them", () => {
  test("there are 12 sets, 10 of them with one answer each for a number that is given or not", () => {
    expect(sets.length).toBe(12);
    expect(sets.flatMap((set) => [set, ...set.oracle]).filter(({ defined }) => defined).length).toBe(26);
  });

  for (const set of sets) {
    const embeddings = embeddingsFrom(set.embeddings);
    describe(`set ${set.id}, ${set.note}`, () => {
      if (set.kept_per_row)
        test("similarities that are kept, the Laplacian, its eigenvalues", () => {
          const affinity = prunedAffinity(embeddings);
          for (const row of affinity) expect(row.filter((value) => value !== 0).length).toBe(set.kept_per_row);
          const laplacian = laplacianOf(affinity).to1DArray();
          expect(laplacian.filter((value) => value !== 0).length).toBe(set.laplacian?.nonzero);
          const trace = laplacian.reduce((sum, value, i) => sum + (i % (set.n + 1) === 0 ? value : 0), 0);
          expect(Math.abs(trace / (set.laplacian?.trace ?? 0) - 1)).toBeLessThan(1e-6);
          const { eigenvalues, speakers } = spectral(embeddings);
          expect(speakers).toBe(set.gap_speakers);
          for (const [i, value] of (set.eigenvalues ?? []).entries()) {
            expect(Math.abs(eigenvalues[i] - value)).toBeLessThan(1e-5); // the reference's f32 is 4e-6 off f64
          }
        });

      if (set.before_merge && set.defined)
        test("labels before near clusters are merged", () => {
          expect(byAppearance(spectral(embeddings).labels)).toEqual(set.before_merge);
        });

      test("speakers found", () => {
        const labels = funasrLabels(embeddings);
        expect(new Set(labels).size).toBe(set.speakers_found);
        expectAnswer(labels, set);
      });

      for (const given of set.oracle) {
        test(`${given.oracle_num} speakers given`, () => {
          expectAnswer(funasrLabels(embeddings, given.oracle_num), given);
        });
      }
    });
  }

  test("a number that no clustering has is refused, but below 20 windows there is one speaker whatever it says", () => {
    const { embeddings } = talk({ voices: 2, windows: 20, seed: 1 });
    for (const wrong of [0, 21, 1.5]) {
      expect(() => funasrLabels(embeddings, wrong)).toThrow(SenseVoiceError);
      expect(() => funasrLabels(embeddings, wrong)).toThrow(/speakers: expected a whole number from 1 to 20/);
      expect(funasrLabels(embeddings.slice(1), wrong)).toEqual(Array(19).fill(0));
    }
  });

  test("the same answer for the same seed; 2048 windows and more by groups or by k-means", () => {
    const { embeddings, truth } = talk({ voices: 3, windows: 2100, seed: 4 });
    expect(byAppearance(funasrLabels(embeddings))).toEqual(byAppearance(truth));
    expect(byAppearance(funasrLabels(embeddings, 3))).toEqual(byAppearance(truth));
    const loose = talk({ voices: 3, windows: 60, seed: 5, within: 0.2 }).embeddings;
    expect(funasrLabels(loose, 5, 7)).toEqual(funasrLabels(loose, 5, 7));
  });
});

interface Steps {
  readonly kind: "postprocess";
  readonly note: string;
  readonly chunks: readonly (readonly [number, number])[];
  readonly labels: readonly number[];
  readonly corrected: readonly number[];
  readonly segments: readonly (readonly [number, number, number])[];
  readonly sentences_ms: readonly (readonly [number, number])[];
  readonly spk: readonly number[];
  readonly embeddings?: readonly (readonly number[])[];
  readonly centres?: readonly (readonly number[])[];
}

interface Chunks {
  readonly kind: "sv_chunk";
  readonly start: number;
  readonly samples: number;
  readonly chunks: readonly {
    readonly time: readonly [number, number];
    readonly first_sample: number;
    readonly samples: number;
    readonly padded: number;
  }[];
}

const rows = (turns: readonly Turn[]) => turns.map(({ start, end, speaker }) => [start, end, speaker]);
const spans = (times: readonly (readonly [number, number])[]) => times.map(([start, end]) => ({ start, end }));

describe("from chunks to sentences as FunASR goes", () => {
  const cases = goldenLines<Steps | Chunks>("segments.jsonl");
  test("there are 33 cases", () => expect(cases.length).toBe(33));

  for (const golden of cases) {
    if (golden.kind === "sv_chunk") {
      test(`the chunks of ${golden.samples} samples`, () => {
        const ours = everyHalf(golden.samples, golden.start * 1000).map(({ start, end, first, last }) => {
          return { time: [start, end], first_sample: first, samples: last - first, padded: 24000 - (last - first) };
        });
        expect(ours).toEqual(golden.chunks);
      });
      continue;
    }
    test(golden.note, () => {
      const turns = turnsOf(spans(golden.chunks), golden.labels);
      expect(byAppearance(golden.labels)).toEqual(golden.corrected);
      expect(rows(turns)).toEqual(golden.segments);
      expect(spans(golden.sentences_ms).map((sentence) => funasrSpeaker(sentence, turns))).toEqual(golden.spk);
      const embeddings = golden.embeddings?.map((row) => Float32Array.from(row));
      const centres = embeddings && centresOf(embeddings, golden.corrected);
      for (const [i, centre] of (golden.centres ?? []).entries()) {
        for (const [j, value] of centre.entries()) expect(Math.abs((centres?.[i][j] ?? 0) - value)).toBeLessThan(1e-6);
      }
    });
  }
});

interface Recorded {
  readonly key: string;
  readonly preset_spk_num: number | null;
  readonly chunks: readonly (readonly [number, number])[];
  readonly labels: readonly number[];
  readonly defined: boolean;
  readonly segments: readonly (readonly [number, number, number])[];
  readonly sentence_info: readonly { readonly start: number; readonly end: number; readonly spk: number }[];
  readonly embeddings?: string;
}

const assets = process.env.SENSEVOICE_ASSETS ?? "";
const recorded = join(assets, "../golden/spk/pipeline.jsonl");

describe.runIf(assets !== "" && existsSync(recorded))("recordings as FunASR hears them", () => {
  const lines = assets === "" ? [] : jsonLines<Recorded>(recorded);
  for (const { key, preset_spk_num, ...golden } of lines) {
    test(`${key}, ${preset_spk_num ?? "no"} speakers given`, () => {
      const chunks = golden.sentence_info.flatMap(({ start, end }) => everyHalf((end - start) * 16, start));
      expect(chunks.map(({ start, end }) => [start, end])).toEqual(golden.chunks);
      const source = golden.embeddings ?? lines.find((line) => line.key === key)?.embeddings ?? "";
      const labels = byAppearance(funasrLabels(embeddingsFrom(source), preset_spk_num ?? undefined));
      if (golden.defined) expect(labels).toEqual(golden.labels);
      const turns = turnsOf(chunks, golden.labels);
      expect(rows(turns)).toEqual(golden.segments);
      const speakers = golden.sentence_info.map((sentence) => funasrSpeaker(sentence, turns));
      expect(speakers).toEqual(golden.sentence_info.map(({ spk }) => spk));
    });
  }
});
