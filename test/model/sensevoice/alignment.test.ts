import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ctcForcedAlign, tokenSpans } from "../../../src/model/sensevoice/alignment.ts";
import { relativeError, TOLERANCE } from "../../support/tolerances.ts";

/** FunASR's ctc_forced_align on random logits; `error` where it raised. */
interface Golden {
  name: string;
  rows: number;
  vocab: number;
  /** [rows, vocab] log-probabilities, with the blank's already 0 where the case says so. */
  logits: number[];
  tokens: number[];
  path?: number[];
  error?: string;
}
const golden: Golden[] = JSON.parse(
  readFileSync(new URL("../../golden/align.json", import.meta.url), "utf8"),
);

/** The columns of the blank and of the tokens, as the aligner takes them. */
function columns({ rows, vocab, logits, tokens }: Golden): Float32Array {
  const wanted = [0, ...tokens];
  return Float32Array.from({ length: rows * wanted.length }, (_, i) => {
    const row = Math.floor(i / wanted.length);
    return logits[row * vocab + wanted[i % wanted.length]];
  });
}

describe("ctcForcedAlign", () => {
  test.each(golden.filter(({ path }) => path).map((c): [string, Golden] => [c.name, c]))("%s", (_, c) => {
    const path = ctcForcedAlign({ scores: columns(c), blankIsBest: new Uint8Array(c.rows) }, c.tokens);
    expect([...path].map((i) => (i < 0 ? 0 : c.tokens[i]))).toEqual(c.path);
  });

  test("the golden file has 40 paths; FunASR raised on no tokens alone", () => {
    expect(golden.filter(({ path }) => path)).toHaveLength(40);
    const raised = golden.filter(({ error }) => error).map(({ name, error }) => [name, error]);
    expect(raised).toEqual([["no tokens", "IndexError"]]);
  });

  test("a row whose best symbol is the blank gives the blank a log-probability of 0", () => {
    // Two rows, one token of log-probability −0.9 and a blank of −1, which 0 would beat.
    const scores = Float32Array.of(-1, -0.9, -1, -0.9);
    expect([...ctcForcedAlign({ scores, blankIsBest: [0, 0] }, [5])]).toEqual([0, 0]);
    expect([...ctcForcedAlign({ scores, blankIsBest: [1, 0] }, [5])]).toEqual([-1, 0]);
    expect([...ctcForcedAlign({ scores, blankIsBest: [false, true] }, [5])]).toEqual([0, -1]);
  });

  test("no tokens and no rows, where the reference raises, give blanks and nothing", () => {
    expect([...ctcForcedAlign({ scores: new Float32Array(3), blankIsBest: [0, 0, 0] }, [])]).toEqual([
      -1, -1, -1,
    ]);
    expect([...ctcForcedAlign({ scores: new Float32Array(0), blankIsBest: [] }, [5])]).toEqual([]);
  });

  test("scores of another size are an error", () => {
    const call = () => ctcForcedAlign({ scores: new Float32Array(5), blankIsBest: [0, 0] }, [5, 6]);
    expect(call).toThrow("[timestamps] scores: expected 2 x 3 numbers (rows x tokens + 1), got 5");
  });
});

describe("tokenSpans", () => {
  const scores = Float32Array.from([0.5, 0.25, 0.5, 0.5, 0.25, 1, 0.5, 0.25], Math.log);
  const alignment = { scores, blankIsBest: [0, 0, 0, 0] };

  test("times in seconds and the peak probability", () => {
    const spans = tokenSpans(Int32Array.of(0, 0, -1, -1), alignment, [5]);
    expect(spans).toHaveLength(1);
    expect(spans[0].start).toBe(0);
    expect(spans[0].end).toBe(0.09);
    expect(relativeError([spans[0].confidence], [0.5])).toBeLessThan(TOLERANCE.f32);
  });

  test("a token in the middle starts 30 ms before its row", () => {
    const [span] = tokenSpans(Int32Array.of(-1, -1, 0, -1), alignment, [5]);
    expect([span.start, span.end, span.confidence]).toEqual([0.09, 0.15, 1]);
  });

  test("a path of blanks has no spans", () => {
    expect(tokenSpans(Int32Array.of(-1, -1, -1, -1), alignment, [5])).toEqual([]);
    expect(tokenSpans(Int32Array.of(0, 0, 0, 0), alignment, [0])).toEqual([]);
  });
});
