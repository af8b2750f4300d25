import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { checkFinite, checkPcm } from "../../src/audio/pcm.ts";

describe("checkPcm", () => {
  test("takes finite samples", () => {
    expect(() => checkPcm(Float32Array.of(0, 1.5, -1))).not.toThrow();
  });

  test("takes a Float32Array of another realm, as Jest and node:vm make them", () => {
    const foreign: unknown = runInNewContext("Float32Array.of(0, 0.5)");
    expect(foreign instanceof Float32Array).toBe(false);
    expect(() => checkPcm(foreign)).not.toThrow();
  });

  test.each([
    [new Float32Array(0), "x.wav: expected sound, got 0 samples"],
    [new Float64Array(3), "x.wav: expected samples in a Float32Array, got Float64Array"],
    [runInNewContext("new Float64Array(3)"), "x.wav: expected samples in a Float32Array, got Float64Array"],
    [{ [Symbol.toStringTag]: "Float32Array", length: 1, 0: 0.5 }, "x.wav: expected samples in a Float32Array"],
    [[0, 1], "x.wav: expected samples in a Float32Array, got Array"],
    [undefined, "x.wav: expected samples in a Float32Array, got Undefined"],
    [null, "x.wav: expected samples in a Float32Array, got Null"],
  ])("refuses %s", (pcm, message) => {
    expect(() => checkPcm(pcm, "x.wav")).toThrow(message);
  });
});

test("checkFinite names the first sample that is not, by its place in the whole sound", () => {
  checkFinite(Float32Array.of(0, 1.5, -1), "x.wav");
  const refused: [Float32Array, number, string][] = [
    [Float32Array.of(0, Number.NaN), 0, "x.wav: expected finite samples, got NaN at sample 1"],
    [Float32Array.of(Number.NEGATIVE_INFINITY), 7, "x.wav: expected finite samples, got -Infinity at sample 7"],
    [runInNewContext("Float32Array.of(NaN)"), 0, "x.wav: expected finite samples, got NaN at sample 0"],
  ];
  for (const [samples, first, message] of refused) {
    expect(() => checkFinite(samples, "x.wav", first)).toThrow(message);
  }
});
