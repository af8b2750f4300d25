import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parseSync } from "subtitle";
import { afterAll, describe, expect, test } from "vitest";
import webvtt from "webvtt-parser";
import { lineText } from "../../src/output/cue.ts";
import { cuesOf } from "../../src/output/cues.ts";
import { writeDocument } from "../../src/output/formats.ts";
import type { Segment } from "../../src/speech/segment.ts";
import { recordings } from "./arbitrary.ts";
import { segment, words } from "./segment.ts";

/** What a parser should find: milliseconds and text. */
const expected = (document: { segments: readonly Segment[]; duration: number }) =>
  cuesOf(document.segments, document).map(({ start, end, lines }) => ({
    start: Math.round(start * 1000),
    end: Math.round(end * 1000),
    text: lines.map(lineText).join("\n"),
  }));

// The parser's own table lacks the semicolons.
const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">" };

/** Strictly: no error of any kind. */
function parseVtt(file: string) {
  const { cues, errors } = new webvtt.WebVTTParser(ENTITIES).parse(file, "subtitles");
  expect(errors).toEqual([]);
  return cues.map(({ startTime, endTime, tree }) => ({
    start: Math.round(startTime * 1000),
    end: Math.round(endTime * 1000),
    text: tree.children.map(({ type, value }) => (type === "text" ? value : "")).join(""),
  }));
}

/** SubRip byte by byte: counted blocks of times, one or two lines and an empty one, all ended by CRLF. */
function parseSrt(file: string) {
  const TIME = String.raw`(\d{2,}):([0-5]\d):([0-5]\d),(\d{3})`;
  const BLOCK = new RegExp(String.raw`(\d+)\r\n${TIME} --> ${TIME}\r\n((?:[^\r\n]+\r\n){1,2})\r\n`, "y");
  const cues = [];
  while (BLOCK.lastIndex < file.length) {
    const match = BLOCK.exec(file);
    if (!match) throw new Error(`block ${cues.length + 1} is no SubRip`);
    expect(match[1]).toBe(String(cues.length + 1));
    const [start, end] = [match.slice(2, 6), match.slice(6, 10)].map(
      ([hours, minutes, seconds, ms]) =>
        ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 + Number(ms),
    );
    cues.push({ start, end, text: match[10].trimEnd().replaceAll("\r\n", "\n").replaceAll("\u2060", "") });
  }
  return cues;
}

const RUNS = { numRuns: 200, seed: 20261121 };

describe("random segments", () => {
  test("vtt passes a validating parser, which finds the cues", () => {
    fc.assert(
      fc.property(recordings, fc.boolean(), (recording, karaoke) => {
        expect(parseVtt(writeDocument("vtt", recording, { karaoke }))).toEqual(expected(recording));
      }),
      RUNS,
    );
  });

  test("srt is SubRip byte by byte and holds the cues, for a common parser too", () => {
    fc.assert(
      fc.property(recordings, (recording) => {
        const file = writeDocument("srt", recording);
        expect(parseSrt(file)).toEqual(expected(recording));
        const common = parseSync(file).flatMap(({ data }) => (typeof data === "string" ? [] : [data]));
        expect(common.map((cue) => ({ ...cue, text: cue.text.replaceAll("\u2060", "") }))).toEqual(expected(recording));
      }),
      RUNS,
    );
  });

  test("ass: an event for each cue, whose karaoke lasts no longer than the cue", () => {
    fc.assert(
      fc.property(recordings, (recording) => {
        const events = writeDocument("ass", recording)
          .split("\n")
          .filter((line) => line.startsWith("Dialogue: "));
        const found = events.map((line) => {
          const [, start, end, , , , , , , ...rest] = line.split(",");
          const at = (time: string) =>
            time.split(/[:.]/).reduce((sum, part, i) => sum * [1, 60, 60, 100][i] + Number(part), 0);
          const text = rest.join(",");
          const sung = [...text.matchAll(/\{\\k(\d+)\}/g)].reduce((sum, [, length]) => sum + Number(length), 0);
          expect(sung).toBeLessThanOrEqual(at(end) - at(start));
          expect(at(end)).toBeGreaterThan(at(start));
          const lines = text.replace(/\{\\k\d+\}/g, "").replaceAll("\\N", "\n");
          return { start: at(start), text: lines.replace(/\\([{}])/g, "$1").replaceAll("\\\u2060", "\\") };
        });
        expect(found).toEqual(expected(recording).map(({ start, text }) => ({ start: Math.floor(start / 10), text })));
      }),
      RUNS,
    );
  });
});

describe.skipIf(spawnSync("ffmpeg", ["-version"]).status !== 0)("ffmpeg (skipped where there is none)", () => {
  const folder = mkdtempSync(join(tmpdir(), "subtitles-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const recording = {
    duration: 4000,
    segments: [
      segment(
        0.12,
        2.5,
        "<|zh|><|HAPPY|><|Speech|><|withitn|>祝你生日快乐。",
        words("0.5 祝你 0.9 生日 1.4 快乐 1.8 。 1.9"),
      ),
      segment(2.5, 9, "<|en|>When I came home, the lights were still on. Nobody answered the door."),
      segment(9, 12, "<|ja|>明日の午後三時に会いましょう。"),
      segment(12, 13.5, "<|ko|>오늘 서울 날씨는 추워요."),
      segment(3661, 3662, "<|nospeech|><|EMO_UNKNOWN|><|Applause|><|woitn|>"),
    ],
  };

  test.each(["srt", "vtt", "ass"] as const)("reads %s", (format) => {
    const file = join(folder, `talk.${format}`);
    writeFileSync(file, writeDocument(format, recording));
    const { stdout, stderr } = spawnSync("ffmpeg", ["-v", "error", "-i", file, "-f", "webvtt", "-"], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    const cut = (time: number) => (format === "ass" ? Math.floor(time / 10) * 10 : time);
    expect(parseVtt(stdout)).toEqual(
      expected(recording).map(({ start, end, text }) => ({ start: cut(start), end: cut(end), text })),
    );
  });
});
