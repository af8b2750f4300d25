import { execFile, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readAudio } from "../../src/audio/read.ts";
import { findPieces, formatPieces, type Piece } from "../../src/output/highlights.ts";
import { chunk, format, riff } from "../audio/support.ts";
import { temporaryFolder } from "../convert/folder.ts";
import { parseEdl } from "./edl.ts";
import { heard, segment } from "./heard.ts";

const laughter = (start: number, end: number, text = "ha") => segment(start, end, text, { events: ["laughter"] });
const times = (pieces: readonly Piece[]) => pieces.map(({ start, end }) => [start, end]);

describe("pieces", () => {
  const options = { only: ["laughter", "happy"], pad: 0, merge: 0 };

  test("are the segments with an emotion or an event that is wanted", () => {
    const talk = heard(
      ...([20, segment(1, 2, "a"), segment(3, 4, "b", { emotion: "happy" })] as const),
      segment(5, 6, "c", { emotion: "happy", events: ["speech", "laughter"] }),
    );
    expect(findPieces(talk, options)).toEqual([
      { file: "talk.wav", start: 3, end: 4, reasons: ["happy"], text: "b" },
      { file: "talk.wav", start: 5, end: 6, reasons: ["laughter", "happy"], text: "c" },
    ]);
  });

  test("are padded as far as the recording goes, in whole milliseconds", () => {
    const talk = heard(10.5004, laughter(1, 2), laughter(9.1, 10.5));
    expect(times(findPieces(talk, { ...options, pad: 1.5 }))).toEqual([
      [0, 3.5],
      [7.6, 10.5],
    ]);
  });

  test("become one where they overlap or touch, with the reasons and texts of both", () => {
    const talk = heard(10, laughter(1, 2), segment(3, 4, "good", { emotion: "happy" }), laughter(7, 8));
    expect(findPieces(talk, { ...options, pad: 0.5 })).toEqual([
      { file: "talk.wav", start: 0.5, end: 4.5, reasons: ["laughter", "happy"], text: "ha good" },
      { file: "talk.wav", start: 6.5, end: 8.5, reasons: ["laughter"], text: "ha" },
    ]);
  });

  test("become one where they are no further apart than --merge", () => {
    // 3.3 - 2.2 is more than 1.1 in floating point.
    const talk = heard(10, laughter(1, 2.2), laughter(3.3, 4), laughter(5.2, 6));
    expect(times(findPieces(talk, { ...options, merge: 1.1 }))).toEqual([
      [1, 4],
      [5.2, 6],
    ]);
  });

  test("never overlap, lie in the recording and hold all that is wanted", () => {
    const length = fc.integer({ min: 0, max: 5000 });
    fc.assert(
      fc.property(fc.array(fc.tuple(length, length)), length, length, (list, pad, merge) => {
        let at = 0;
        const segments = list.map(([gap, long]) => {
          const start = at + gap;
          at = start + long + 1;
          return laughter(start / 1000, at / 1000);
        });
        const pieces = findPieces(heard(at / 1000, ...segments), { ...options, pad: pad / 1000, merge: merge / 1000 });
        for (const [i, { start, end }] of pieces.entries()) {
          expect(start).toBeGreaterThanOrEqual(0);
          expect(end).toBeLessThanOrEqual(at / 1000);
          if (i > 0) expect(start - pieces[i - 1].end).toBeGreaterThan(merge / 1000 - 1e-9);
        }
        for (const { start, end } of segments) {
          expect(pieces.some((piece) => piece.start <= start && end <= piece.end)).toBe(true);
        }
      }),
    );
  });
});

const PIECES: readonly Piece[] = [
  { file: "a/talk.wav", start: 1, end: 2.5, reasons: ["laughter"], text: 'he said "no", yes' },
  { file: "a/talk.wav", start: 3.02, end: 3.03, reasons: ["happy"], text: "-5 degrees" },
  { file: "=cmd.mp4", start: 3600, end: 3661.5, reasons: ["laughter", "happy"], text: "" },
];
const FAILED = [{ file: "b.wav", error: "no such file" }];
const write = (name: "json" | "csv" | "edl" | "concat", pieces = PIECES, fps = "25") => {
  return formatPieces(pieces, FAILED, { format: name, fps });
};

test("json has the pieces and what failed", () => {
  expect(JSON.parse(write("json"))).toEqual({ pieces: PIECES, failed: FAILED });
});

test("csv quotes what has quotes or commas, and no cell is a formula", () => {
  expect(write("csv").split("\r\n")).toEqual([
    "file,start,end,duration,reasons,text,error",
    'a/talk.wav,1.000,2.500,1.500,laughter,"he said ""no"", yes",',
    "a/talk.wav,3.020,3.030,0.010,happy, -5 degrees,",
    "./=cmd.mp4,3600.000,3661.500,61.500,laughter happy,,",
    "b.wav,,,,,,no such file",
    "",
  ]);
});

describe("edl", () => {
  test("has the pieces one after another, at least a frame long, the picture of films too", () => {
    const { events, rest } = parseEdl(write("edl"), 25);
    expect(events.map(({ tracks, source, record }) => [tracks, ...source, ...record])).toEqual([
      ["AA", 25, 63, 0, 38], // 2.5 s are 62.5 frames
      ["AA", 76, 77, 38, 39], // 3.02 s are 75.5 frames, 3.03 s 75.75
      ["AA/V", 90_000, 91_538, 39, 1577],
    ]);
    expect(events[0].comments).toEqual([
      "* FROM CLIP NAME: talk.wav",
      "* SOURCE FILE: a/talk.wav",
      "* COMMENT: laughter",
    ]);
    expect(rest).toEqual(["* FAILED: b.wav: no such file"]);
    expect(write("edl")).toContain("\n001  AX       AA    C        00:00:01:00 00:00:02:13 00:00:00:00 00:00:01:13\n");
  });

  test("counts frames of 1001/1000 at 29.97", () => {
    // 3600 s are 107892.1 frames of 1001/30000 s; the label counts 30 a second.
    const [, , film] = parseEdl(write("edl", PIECES, "29.97"), 30).events;
    expect(film.source).toEqual([107_892, 109_735]);
  });

  test("a name is one line, whatever is in it", () => {
    const pieces = [{ ...PIECES[0], file: "a\n002  AX\r\u2028b.wav" }];
    expect(parseEdl(write("edl", pieces), 25).events[0].comments[0]).toBe("* FROM CLIP NAME: a 002  AX b.wav");
  });

  test("of any pieces is read back with their times, to half a frame", () => {
    const piece = fc.record({
      at: fc.integer({ min: 0, max: 80_000_000 }),
      long: fc.integer({ min: 40, max: 60_000 }),
    });
    const rates = fc.constantFrom("23.976", "24", "25", "29.97", "30", "50", "59.94", "60");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), rates, (list, fps) => {
        const pieces = list.map(({ at, long }) => ({ ...PIECES[0], start: at / 1000, end: (at + long) / 1000 }));
        const base = Math.round(Number(fps));
        const rate = Number(fps) === base ? base : (base * 1000) / 1001;
        const { events } = parseEdl(write("edl", pieces, fps), base);
        expect(events).toHaveLength(pieces.length);
        for (const [i, { source }] of events.entries()) {
          expect(Math.abs(source[0] - pieces[i].start * rate)).toBeLessThanOrEqual(0.5001);
          expect(Math.abs(source[1] - pieces[i].end * rate)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test("what it cannot say is an error", () => {
    expect(() => write("edl", Array<Piece>(1000).fill(PIECES[0]))).toThrow(
      /^EDL: expected at most 999 pieces, got 1000; /,
    );
    const late = { ...PIECES[0], start: 86_399, end: 86_401 };
    expect(() => write("edl", [late])).toThrow("EDL: expected times under 24 hours, got 86401 s; take csv");
  });
});

describe("ffmpeg's list", () => {
  test("has quoted names and times", () => {
    expect(write("concat", [{ ...PIECES[0], file: "/it's/a b.wav" }])).toBe(
      "ffconcat version 1.0\n# laughter\nfile '/it'\\''s/a b.wav'\ninpoint 1.000\noutpoint 2.500\n# failed: b.wav: no such file\n",
    );
  });

  test("a name with a line break is an error", () => {
    const run = () => write("concat", [{ ...PIECES[0], file: "/a\nfile 'b'" }]);
    expect(run).toThrow("/a file 'b': expected a name without line breaks for ffmpeg's list; take another format");
  });

  const ffmpeg = spawnSync("ffmpeg", ["-version"]).status === 0;
  test.skipIf(!ffmpeg)("is what ffmpeg cuts by", async () => {
    const dir = temporaryFolder();
    const file = join(dir, "it's a \\ talk#.wav");
    // Second k of ten is k/10 throughout.
    const samples = Float32Array.from({ length: 160_000 }, (_, i) => Math.floor(i / 16_000) / 10);
    writeFileSync(file, riff([chunk("fmt ", format(3, 1, 16_000, 32)), chunk("data", new Uint8Array(samples.buffer))]));
    const talk = { ...heard(10, laughter(2, 4), laughter(7, 8.5)), file };
    const pieces = findPieces(talk, { only: ["laughter"], pad: 0, merge: 0 });
    writeFileSync(join(dir, "list.ffconcat"), write("concat", pieces));
    const args = ["-v", "error", "-f", "concat", "-safe", "0", "-i", join(dir, "list.ffconcat"), join(dir, "cut.wav")];
    await promisify(execFile)("ffmpeg", args);
    const cut = await readAudio(readFileSync(join(dir, "cut.wav")));
    // ffmpeg cuts between packets, here of 1024 samples.
    expect(Math.abs(cut.length / 16_000 - 3.5)).toBeLessThan(0.13);
    const heardAt = [0.5, 1.5, 2.5, 3.3].map((time) => cut[Math.round(time * 16_000)]);
    for (const [i, value] of [0.2, 0.3, 0.7, 0.8].entries()) expect(heardAt[i]).toBeCloseTo(value, 3);
  });
});
