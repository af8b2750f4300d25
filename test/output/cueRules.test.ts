import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Cue, lineText } from "../../src/output/cue.ts";
import { cuesOf } from "../../src/output/cues.ts";
import { singleLine, textOf } from "../../src/output/format.ts";
import { MARKS, type Marks } from "../../src/output/marks.ts";
import type { Segment } from "../../src/speech/segment.ts";
import { recordings } from "./arbitrary.ts";

/** Narrow characters count 1/42 of a line, wide ones 1/18. By what the characters of the test are, not by Unicode's table. */
const WIDE = /[一-鿿ぁ-ヿ々가-힣、。，？！（）「」]|\p{Extended_Pictographic}|\p{Regional_Indicator}/u;
const CJK = /[一-鿿ぁ-ヿ々]/u;
const ms = (seconds: number) => Math.round(seconds * 1000);
const byGrapheme = new Intl.Segmenter("en", { granularity: "grapheme" });
const byWord = new Intl.Segmenter("en", { granularity: "word" });
const graphemes = (text: string) => Array.from(byGrapheme.segment(text), ({ segment }) => segment);
const width = (text: string) =>
  graphemes(text).reduce((sum, c) => sum + (WIDE.test(c) ? 7 : /^\u200b$/.test(c) ? 0 : 3), 0);
const LINE = 126;
const RUNS = { numRuns: 200, seed: 20261121 };
const bare = (text: string) => text.replaceAll(" ", "");

interface Made {
  readonly segment: Segment;
  /** As shown, on one line. */
  readonly text: string;
  /** Those of this segment alone, in order. */
  readonly cues: readonly (Cue & {
    /** In milliseconds: until the next one starts or the recording ends. */
    readonly room: number;
    /** Where it stands in the text, without the space in front. */
    readonly from: number;
    readonly to: number;
    /** Where each of its lines starts. */
    readonly starts: readonly number[];
  })[];
}

/** Cues by the segment whose text they hold: all of it, once, but for spaces between lines. */
function made({ segments, duration }: { segments: readonly Segment[]; duration: number }, marks: Marks): Made[] {
  const all = cuesOf(segments, { marks, duration });
  const show = textOf(marks);
  let next = 0;
  const result = segments.map((segment) => {
    const text = singleLine(show(segment));
    const cues: Made["cues"][number][] = [];
    for (let to = 0; to < text.length; next++) {
      const cue = all[next];
      const starts = cue.lines.map(lineText).map((line) => {
        const start = to + Number(text[to] === " ");
        to = start + line.length;
        expect(text.slice(start, to)).toBe(line);
        return start;
      });
      const room = Math.max(ms(all[next + 1]?.start ?? duration), ms(cue.start) + 10);
      cues.push({ ...cue, room, from: starts[0], to, starts });
    }
    return { segment, text, cues };
  });
  expect(next).toBe(all.length);
  return result;
}

/** Each place in a text at which a line starts but the first. */
const breaks = ({ cues }: Made) => cues.flatMap(({ starts }) => starts).slice(1);

const check = (rule: (made: Made[]) => void) =>
  fc.assert(
    fc.property(recordings, fc.constantFrom(...MARKS), (recording, marks) => rule(made(recording, marks))),
    RUNS,
  );
const checkEach = (rule: (made: Made) => void) => check((all) => all.forEach(rule));

describe("cues of random segments", () => {
  test("all text is kept, once, in order, in its own segment's cues", () => checkEach(() => {}));

  test("a cue has one or two lines of at most 42 narrow or 18 wide characters", () =>
    checkEach(({ cues }) => {
      for (const { lines } of cues) {
        expect([1, 2]).toContain(lines.length);
        for (const line of lines.map(lineText)) {
          expect(line).toBe(line.trim());
          expect(line).not.toBe("");
          expect(width(line)).toBeLessThanOrEqual(LINE);
        }
      }
    }));

  test("two lines are made of what does not fit one", () =>
    checkEach(({ text, cues }) => {
      for (const { lines, from, to } of cues) expect(lines.length).toBe(width(text.slice(from, to)) > LINE ? 2 : 1);
    }));

  test("no cue overlaps the next; each starts with its first word, or 10 ms after the start of the one before", () =>
    check((all) => {
      const cues = all.flatMap((segment) => segment.cues);
      for (const [i, cue] of cues.entries()) {
        const earliest = i > 0 ? ms(cues[i - 1].start) + 10 : 0;
        expect(ms(cue.start)).toBe(Math.max(ms(cue.lines[0][0].start), earliest));
        expect(ms(cue.end)).toBeLessThanOrEqual(cue.room);
        expect(ms(cue.end) - ms(cue.start)).toBeGreaterThanOrEqual(10);
      }
    }));

  test("a cue ends with its last word, after 1 s or when it is read, but within 7 s and the room there is", () =>
    checkEach(({ text, cues }) => {
      for (const { start, end, lines, room, from, to } of cues) {
        const spoken = ms(lines.at(-1)!.at(-1)!.end);
        const read = ms(start) + Math.round((1000 * width(text.slice(from, to))) / 63);
        const wanted = Math.min(Math.max(spoken, read, ms(start) + 1000), ms(start) + 7000, room);
        expect(ms(end)).toBe(wanted);
      }
    }));

  test("only a single word can last longer than its cue", () =>
    checkEach(({ cues }) => {
      for (const { lines } of cues) {
        const pieces = lines.flat();
        if (pieces.length > 1) expect(ms(pieces.at(-1)!.end) - ms(pieces[0].start)).toBeLessThanOrEqual(7000);
      }
    }));

  test("times of the text's pieces go forward, within the segment", () =>
    checkEach(({ segment, cues }) => {
      const times = cues.flatMap(({ lines }) => lines.flat().flatMap(({ start, end }) => [ms(start), ms(end)]));
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(times.every((time) => time >= ms(segment.start) && time <= ms(segment.end))).toBe(true);
    }));

  test("a word of the aligner that opens a cue is not shown before it is spoken, nor taken away while it is", () =>
    checkEach(({ segment, text, cues }) => {
      const words = segment.words ?? [];
      const said = words.map(({ word }) => word).join("");
      const forward = words.every(({ start }, i) => start >= (words[i - 1]?.end ?? segment.start));
      if (bare(text) !== said || !forward) return;
      let at = 0;
      for (const { start, end, lines, room } of cues) {
        const held = bare(lines.map(lineText).join("")).length;
        let before = 0;
        for (const word of words) {
          if (before === at) expect(ms(start)).toBeGreaterThanOrEqual(ms(word.start));
          const last = before + word.word.length;
          if (last === at + held)
            expect(ms(end)).toBeGreaterThanOrEqual(Math.min(ms(word.end), ms(start) + 7000, room));
          before = last;
        }
        at += held;
      }
    }));

  test("no word is cut but CJK words and words wider than a line", () =>
    checkEach((segment) => {
      const cuts = breaks(segment);
      for (const { segment: word, index } of byWord.segment(segment.text)) {
        if (CJK.test(word) || width(word) > LINE) continue;
        expect(cuts.filter((at) => at > index && at < index + word.length)).toEqual([]);
      }
    }));

  test("no mark in words is cut", () =>
    checkEach((segment) => {
      const cuts = breaks(segment);
      for (const { 0: mark, index } of segment.text.matchAll(/\[[^\]]+\]/gu)) {
        expect(cuts.filter((at) => at > index && at < index + mark.length)).toEqual([]);
      }
    }));

  test("no line starts with closing punctuation, a small kana or a long-vowel mark that follows a CJK character", () =>
    checkEach((segment) => {
      for (const at of breaks(segment)) {
        if (!/(^|[^\d(（「"])[一-龥あいうえおコンピタミテグ]$/u.test(segment.text.slice(0, at).slice(-2))) continue;
        expect(segment.text.slice(at)).not.toMatch(/^[，。？！、…」）)・ーっゃょュィ]/u);
      }
    }));

  test("a cue with less than a second until the next one, or the segment's end, fits no neighbour of its segment", () =>
    checkEach(({ segment, text, cues }) => {
      const joins = (a: Made["cues"][number], b: Made["cues"][number]) => {
        if (ms(b.lines.at(-1)!.at(-1)!.end) - ms(a.lines[0][0].start) > 7000) return false;
        let end = a.from;
        const ends = [...a.lines, ...b.lines].flat().map((piece) => {
          const length = bare(piece.text).length;
          for (let count = 0; count < length; end++) if (text[end] !== " ") count++;
          return end;
        });
        expect(ends.at(-1)).toBe(b.to);
        return ends.some((middle) =>
          [text.slice(a.from, middle), text.slice(middle, b.to)].every((half) => width(half.trim()) <= LINE),
        );
      };
      for (const [i, cue] of cues.entries()) {
        const until = cues[i + 1]?.lines[0][0].start ?? segment.end;
        if (ms(until) - ms(cue.lines[0][0].start) >= 1000) continue;
        if (i > 0) expect(joins(cues[i - 1], cue)).toBe(false);
        if (i + 1 < cues.length) expect(joins(cue, cues[i + 1])).toBe(false);
      }
    }));

  test("what comes later changes nothing but how long the last cue stands", () => {
    fc.assert(
      fc.property(recordings, fc.nat(5), ({ segments }, count) => {
        const all = cuesOf(segments);
        const some = cuesOf(segments.slice(0, count));
        expect(some.slice(0, -1)).toEqual(all.slice(0, Math.max(0, some.length - 1)));
        const last = some.at(-1);
        if (last) expect({ ...all[some.length - 1], end: 0 }).toEqual({ ...last, end: 0 });
      }),
      RUNS,
    );
  });
});
