import fc from "fast-check";
import { expect, test } from "vitest";
import webvtt from "webvtt-parser";
import { lineText } from "../../src/output/cue.ts";
import { CueStream, cuesOf } from "../../src/output/cues.ts";
import { singleLine, textOf } from "../../src/output/format.ts";
import { writeDocument } from "../../src/output/formats.ts";
import { LINE_WIDTH, textWidth } from "../../src/output/width.ts";
import type { Segment } from "../../src/speech/segment.ts";
import { recordings } from "./arbitrary.ts";

const NAMES = ["S1", "S2", "王小明", "Ann <b>&amp;</b>", "Hubert Blaine Wolfeschlegelsteinhausenbergerdorff"];
const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
const RUNS = { numRuns: 200, seed: 20261122 };

/** Random segments, each with a speaker or none; in some of them words have speakers of their own. */
const conversations = fc
  .tuple(recordings, fc.array(fc.tuple(fc.nat(5), fc.nat(5), fc.boolean()), { minLength: 6, maxLength: 6 }))
  .map(([{ segments, duration }, choices]) => ({
    duration,
    segments: segments.map((segment, i): Segment => {
      const [first, second, mixed] = choices[i];
      const words = segment.words?.map((word, j) => ({ ...word, speaker: NAMES[(j >> 2) % 2 === 0 ? first : second] }));
      return { ...segment, speaker: NAMES[first], words: mixed && words ? words : segment.words };
    }),
  }));

const bare = (text: string) => text.replaceAll(" ", "");

test("all text is kept in order, lines fit, times go forward, whoever speaks", () => {
  fc.assert(
    fc.property(conversations, ({ segments, duration }) => {
      const cues = cuesOf(segments, { duration });
      const show = textOf();
      expect(bare(cues.flatMap(({ lines }) => lines.map(lineText)).join(""))).toBe(
        bare(segments.map((segment) => singleLine(show(segment))).join("")),
      );
      for (const [i, { start, lines }] of cues.entries()) {
        expect(lines.length).toBeLessThanOrEqual(2);
        for (const line of lines) expect(textWidth(lineText(line))).toBeLessThanOrEqual(LINE_WIDTH);
        if (i > 0) expect(Math.round(1000 * (start - cues[i - 1].start))).toBeGreaterThanOrEqual(10);
      }
    }),
    RUNS,
  );
});

test("with names in front lines fit too; a name stands where the speaker changes, and nowhere else", () => {
  fc.assert(
    fc.property(conversations, ({ segments }) => {
      const stream = new CueStream("none", true);
      const cues = [...segments.flatMap((segment) => stream.add(segment)), ...stream.end()];
      let last: string | undefined;
      for (const { speaker, lines } of cues) {
        for (const line of lines) expect(textWidth(lineText(line))).toBeLessThanOrEqual(LINE_WIDTH);
        const label = speaker && `${speaker.length > 16 ? `${speaker.slice(0, 15)}…` : speaker}:`;
        if (label && speaker !== last) expect(lineText(lines[0]).startsWith(label)).toBe(true);
        last = speaker;
      }
    }),
    RUNS,
  );
});

test("words said by one are never in a cue of another", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2), { minLength: 1, maxLength: 30 }), (speakers) => {
      const words = speakers.map((by, i) => {
        return { word: `w${i}by${by}`, start: i * 0.5, end: i * 0.5 + 0.5, confidence: 1, speaker: NAMES[by] };
      });
      const said = words.map(({ word }) => word).join(" ");
      const tags = { language: "en", emotion: "neutral", events: [] } as const;
      const end = speakers.length / 2;
      const cues = cuesOf([{ ...tags, start: 0, end, text: said, raw: said, tokens: [], words, confidence: 1 }]);
      for (const { speaker, lines } of cues) {
        const names = lines.flatMap((line) =>
          [...lineText(line).matchAll(/by(\d)/g)].map(([, by]) => NAMES[Number(by)]),
        );
        expect([...new Set(names)]).toEqual([speaker]);
      }
    }),
    RUNS,
  );
});

test("vtt passes a validating parser, which finds the voices", () => {
  fc.assert(
    fc.property(conversations, fc.boolean(), (conversation, karaoke) => {
      const parser = new webvtt.WebVTTParser({ "&amp;": "&", "&lt;": "<", "&gt;": ">" });
      const { cues, errors } = parser.parse(writeDocument("vtt", conversation, { karaoke }), "subtitles");
      expect(errors).toEqual([]);
      const voices = cues.map(({ tree }) => (tree.children[0] as { value?: string }).value);
      for (const [i, { speaker }] of cuesOf(conversation.segments, conversation).entries()) {
        // The standard resolves `&lt;` in names; the parser leaves it as it is.
        if (speaker !== undefined) expect(voices[i]).toBe(speaker.replace(/[&<>]/g, (sign) => ENTITIES[sign]));
      }
    }),
    RUNS,
  );
});
