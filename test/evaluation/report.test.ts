import { expect, test } from "vitest";
import { parseBaseline } from "../../src/eval/baseline.ts";
import type { ClipResult } from "../../src/eval/evaluate.ts";
import { type EvalReport, formatReport } from "../../src/eval/report.ts";
import { scoreText } from "../../src/eval/score.ts";
import { summarise } from "../../src/eval/summary.ts";

function clip(key: string, language: string, said: string, heard: string): ClipResult {
  return {
    ...{ key, source: `${key}.wav`, asked: { language: "auto", itn: false } },
    expected: { text: said, language, emotion: "happy" },
    got: { text: heard, language, emotion: "sad", event: "speech" },
    ...scoreText(said, heard, language),
    ...{ tokens: [1, 2], duration: 2, reading: 5 },
    timings: { features: 10, encode: 80, decode: 10, total: 100 },
  };
}

const clips = [clip("a", "en", "one two three four", "one too three"), clip("b", "zh", "今天，下雪。", "今天下雨")];
const report: EvalReport = {
  dataset: "list.jsonl",
  model: "tiny",
  weights: "f16",
  device: "reference",
  deviceDescription: "plain loops",
  language: "auto",
  normalisation: "none to speak of",
  size: { bytes: 13_800_612, linearBytes: 500_000, linearWeights: 1_000_000 },
  loading: 0.25,
  memory: { peakRss: 2e8, device: 3e7 },
  summary: summarise(clips),
  baseline: { file: "old.json", differing: 1, tokens: 4, clips: 2, same: 1, askedOtherwise: 0, missing: 0 },
  clips,
  failures: [{ key: "c|d", source: "c.wav", error: new Error("c.wav: truncated wav") }],
};

test("text", () => {
  const text = formatReport(report, "text");
  expect(text).toContain(
    [
      "language  clips   unit   rate  S  D  I  N    CER",
      "en            1    WER  50.00  1  1  0  4  33.33",
      "zh            1    CER  25.00  1  0  0  4  25.00",
      "all           2  mixed  37.50  2  1  0  8  31.82",
    ].join("\n"),
  );
  expect(text).toMatch(/^data: list\.jsonl, 3 clips, 4\.0 s of sound\nmodel: tiny, f16 on reference \(plain loops\)$/m);
  expect(text).toMatch(/^texts: none to speak of$/m);
  expect(text).toMatch(/^emotion +0 +2 +0\.00$/m);
  expect(text).not.toMatch(/^event /m); // the data have none
  expect(text).toMatch(/^real-time factor .* 0\.0500$/m);
  expect(text).toMatch(/^ +bits per linear weight +4\.00$/m);
  expect(text).toMatch(/^tokens that differ .* 1 of 4$/m);
  expect(text).toMatch(/^Failed: 1, .*\n.*\nc\|d +c\.wav: truncated wav$/m);
});

test("Markdown", () => {
  const text = formatReport(report, "markdown");
  expect(text).toMatch(/^# Evaluation\n\n- data: list\.jsonl/);
  expect(text).toContain("| language | clips | unit | rate | S | D | I | N | CER |\n| --- | ---: |");
  expect(text).toContain("| en | 1 | WER | 50.00 | 1 | 1 | 0 | 4 | 33.33 |");
  expect(text).toContain("| c\\|d | c.wav: truncated wav |");
});

test("JSON is one line, has everything and is a baseline", () => {
  const text = formatReport(report, "json");
  expect(text).toMatch(/^.+\n$/);
  expect(JSON.parse(text)).toEqual({
    ...JSON.parse(JSON.stringify(report)),
    failures: [{ key: "c|d", source: "c.wav", error: "c.wav: truncated wav" }],
  });
  expect([...parseBaseline(text, "x").keys()]).toEqual(["a", "b"]);
});
