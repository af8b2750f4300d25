import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { jaccardErrorRate, scoreRecording, sumErrors } from "../../src/eval/diarization.ts";
import { parseRttm, parseUem } from "../../src/eval/rttm.ts";

interface Golden {
  readonly name: string;
  readonly reference: string;
  readonly hypothesis: string;
  readonly uem: string | null;
  readonly der: {
    readonly collar: number;
    readonly overlap: boolean;
    readonly times: Readonly<Record<string, readonly number[]>>;
  }[];
  readonly step: number;
  readonly jer: Readonly<Record<string, number>>;
}

const goldens = readFileSync(new URL("fixtures/dscore.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Golden);

test("turns of one speaker that overlap, and regions that do, count once", () => {
  const turn = (start: number, end: number, speaker: string) => ({ start, end, speaker });
  const [b, all] = [turn(8, 12, "B"), [{ collar: 0.25, overlap: true }]];
  const parts = [turn(5, 8, "A"), turn(0, 6, "A"), turn(2, 4, "A"), b];
  const whole = [turn(0, 8, "A"), b];
  const score = (ref: typeof parts, hyp: typeof parts, regions: { start: number; end: number }[]) =>
    scoreRecording("a", ref, hyp, all, regions);
  const expected = score(whole, [turn(0, 9, "x")], [{ start: 0, end: 11 }]);
  expect(expected.errors).toEqual([{ scored: 10.25, missed: 2, falseAlarm: 0, confusion: 0.75 }]);
  const regions = [
    { start: 4, end: 11 },
    { start: 0, end: 8 },
    { start: 2, end: 3 },
  ];
  expect(score(parts, [turn(0, 9, "x"), turn(3, 5, "x")], regions)).toEqual(expected);
});

test("who does not speak in what is scored does not count", () => {
  const turns = (name: string) => [
    { start: 0, end: 4, speaker: `${name}1` },
    { start: 6, end: 9, speaker: `${name}2` },
  ];
  const { speakers, jaccard } = scoreRecording("a", turns("A"), turns("x"), [], [{ start: 0, end: 5 }]);
  expect({ speakers, jaccard }).toEqual({ speakers: { reference: 1, hypothesis: 1 }, jaccard: { A1: 0 } });
});

describe.each(goldens)("$name", ({ reference, hypothesis, uem, der, step, jer }) => {
  const [ref, hyp] = [parseRttm(reference, "ref"), parseRttm(hypothesis, "hyp")];
  const regions = uem === null ? null : parseUem(uem, "uem");
  const results = [...ref.keys()].map((recording) =>
    scoreRecording(recording, ref.get(recording)!, hyp.get(recording) ?? [], der, regions?.get(recording)),
  );

  test.each(der.map((one, i) => [one.collar, one.overlap ? "with" : "without", i] as const))(
    "seconds with collar %s, %s overlap, are md-eval-22's",
    (_collar, _overlap, i) => {
      const all = [...results.map(({ recording, errors }) => [recording, errors[i]] as const)];
      const sums = [...all, ["ALL", sumErrors(all.map(([, errors]) => errors))] as const];
      expect(sums.map(([name]) => name).sort()).toEqual(Object.keys(der[i].times).sort());
      for (const [name, { scored, missed, falseAlarm, confusion }] of sums) {
        // It prints six places.
        for (const [at, seconds] of [scored, missed, falseAlarm, confusion].entries()) {
          expect(seconds).toBeCloseTo(der[i].times[name][at], 6);
        }
      }
    },
  );

  test("Jaccard errors are dscore's", () => {
    const digits = step === 0.001 ? 2 : 10;
    for (const result of results) {
      expect(100 * jaccardErrorRate([result])!).toBeCloseTo(jer[result.recording], digits);
    }
    expect(100 * jaccardErrorRate(results)!).toBeCloseTo(jer.ALL, digits);
  });
});
