import { describe, expect, test } from "vitest";
import webvtt from "webvtt-parser";
import { SenseVoiceError } from "../../src/error.ts";
import { lineText } from "../../src/output/cue.ts";
import { cuesOf } from "../../src/output/cues.ts";
import { FORMAT_NAMES, type FormatName } from "../../src/output/format.ts";
import { FORMATS, writeDocument } from "../../src/output/formats.ts";
import { SPEAKER_COLOURS, SUBTITLE_COLOURS, stretchesOf, talkShares } from "../../src/output/speakers.ts";
import type { Segment } from "../../src/speech/segment.ts";
import { contrast, distance, SIGHTS } from "./colours.ts";
import { segment, words } from "./segment.ts";

const EN = "<|en|><|NEUTRAL|><|Speech|><|woitn|>";
const by = (speaker: string | undefined, part: Segment): Segment => ({ ...part, speaker });
const document = {
  file: "talks/my talk.wav",
  duration: 12,
  segments: [
    by("S1", segment(0, 2, `${EN}good morning`)),
    by("S1", segment(2, 4, `${EN}how are you`)),
    by("Ann, <b>", segment(4, 5.5, `${EN}fine`)),
    segment(5.5, 9, "<|nospeech|><|EMO_UNKNOWN|><|BGM|><|woitn|>"),
    by("S1", segment(9, 11, `${EN}good`, words("9.5 good 10.25"))),
  ],
};
/** Two voices in one segment, as their words say. */
const mixed: Segment = {
  ...segment(0, 4, `${EN}are you there yes I am`),
  words: words("0.5 are 0.7 you 0.9 there 1.2 / 1.3 yes 1.6 / 1.7 I 1.8 am 2").map((word, i) => ({
    ...word,
    speaker: i < 3 ? "S1" : "S2",
  })),
};
const write = (name: FormatName, options = {}) => writeDocument(name, document, options);

test("text: the speaker behind the file", () => {
  expect(write("text", { marks: "none" }).split("\n").slice(0, 3)).toEqual([
    "talks/my talk.wav: S1: good morning",
    "talks/my talk.wav: S1: how are you",
    "talks/my talk.wav: Ann, <b>: fine",
  ]);
  const [first] = document.segments;
  expect(writeDocument("text", { duration: 4, segments: [first] })).toBe("S1: good morning\n");
});

test("tsv: a column for the speaker, empty where nobody is known", () => {
  expect(write("tsv", { marks: "words" })).toBe(
    "start\tend\tspeaker\ttext\n0\t2000\tS1\tgood morning\n2000\t4000\tS1\thow are you\n" +
      "4000\t5500\tAnn, <b>\tfine\n5500\t9000\t\t[music]\n9000\t11000\tS1\tgood\n",
  );
});

test("json: who says how much, in seconds and as a share; segments and words with their speakers", () => {
  const { speakers, segments } = JSON.parse(write("json"));
  expect(speakers).toEqual([
    { speaker: "S1", seconds: 4.75, share: 4.75 / 6.25 },
    { speaker: "Ann, <b>", seconds: 1.5, share: 1.5 / 6.25 },
  ]);
  expect(segments).toEqual(document.segments);
  const words = JSON.parse(writeDocument("jsonl", { duration: 4, segments: [mixed] })).words;
  expect(words.map(({ speaker }: { speaker: string }) => speaker)).toEqual(["S1", "S1", "S1", "S2", "S2", "S2"]);
});

test("srt: the name in front of a speaker's first cue, again after somebody else or music", () => {
  const texts = write("srt").split("\r\n\r\n");
  expect(texts.map((cue) => cue.split("\r\n")[2])).toEqual([
    ...["S1: good morning", "how are you", "Ann, <\u2060b>: fine", "🎼", "S1: good", undefined],
  ]);
});

test("srt: the name counts for the width of the line, and a long one is cut", () => {
  const text = "nobody knew what to do with all of this";
  const named = (speaker: string) =>
    writeDocument("srt", { duration: 9, segments: [by(speaker, segment(0, 4, EN + text))] }).split("\r\n");
  expect(named("S1").slice(2, 4)).toEqual(["S1: nobody knew what", "to do with all of this"]);
  expect(named("Wolfeschlegelsteinhausen")[2]).toMatch(/^Wolfeschlegelst…: nobody/);
  // Not alone on a line, even where that would be more even.
  const long = by("Hubert Wolfesch", segment(0, 4, `${EN}${"x".repeat(24)} ab`));
  const lines = writeDocument("srt", { duration: 9, segments: [long] }).split("\r\n");
  expect(lines.slice(2, 4)).toEqual([`Hubert Wolfesch: ${"x".repeat(24)}`, "ab"]);
});

test("vtt: voice spans, which a validating parser reads; names escaped", () => {
  const { cues, errors } = new webvtt.WebVTTParser({ "&amp;": "&", "&lt;": "<", "&gt;": ">" }).parse(
    write("vtt", { karaoke: true }),
    "subtitles",
  );
  expect(errors).toEqual([]);
  expect(write("vtt")).toContain("\n<v Ann, &lt;b&gt;>fine\n");
  expect(cues).toHaveLength(5);
  expect(write("vtt")).toContain("\n🎼\n");
});

test("ass: the name, and a style of its own colour for each speaker", () => {
  const lines = write("ass", { marks: "none" }).split("\n");
  const events = lines.filter((line) => line.startsWith("Dialogue: "));
  expect(events.map((line) => line.split(",").slice(3, 5))).toEqual([
    ["Speaker 1", "S1"],
    ["Speaker 1", "S1"],
    ["Speaker 2", "Ann; <b>"],
    ["Speaker 1", "S1"],
  ]);
  const styles = lines.filter((line) => line.startsWith("Style: "));
  expect(styles.map((line) => line.split(",")[3])).toEqual([
    ...["&H00FFFFFF", "&H0000D2F0", "&H00FF7887", "&H0096FFA5", "&H003C69FF", "&H0087A52D", "&H00C378B4"],
  ]);
});

test("ass: the seventh speaker has the first one's colour", () => {
  const segments = [1, 2, 3, 4, 5, 6, 7].map((i) => by(`S${i}`, segment(i, i + 1, `${EN}x`)));
  const events = writeDocument("ass", { duration: 9, segments }).match(/^Dialogue: .*$/gm)!;
  expect(events.slice(-2).map((line) => line.split(",").slice(3, 5))).toEqual([
    ["Speaker 6", "S6"],
    ["Speaker 1", "S7"],
  ]);
});

test("names are on one line", () => {
  const segments = [by("Ann\r\n\nB", segment(0, 1, `${EN}x`))];
  expect(writeDocument("vtt", { duration: 1, segments })).toContain("\n<v Ann B>x\n");
  expect(writeDocument("text", { duration: 1, segments })).toBe("Ann B: x\n");
});

test("rttm: stretches of speech; white space in names becomes an underscore", () => {
  expect(write("rttm")).toBe(
    [
      "SPEAKER my_talk 1 0.000 2.000 <NA> <NA> S1 <NA> <NA>",
      "SPEAKER my_talk 1 2.000 2.000 <NA> <NA> S1 <NA> <NA>",
      "SPEAKER my_talk 1 4.000 1.500 <NA> <NA> Ann,_<b> <NA> <NA>",
      "SPEAKER my_talk 1 9.500 0.750 <NA> <NA> S1 <NA> <NA>",
      "",
    ].join("\n"),
  );
  expect(writeDocument("rttm", { duration: 4, segments: [mixed] })).toMatch(/^SPEAKER sound 1 0.500 0.700 .* S1 /);
});

test("rttm without speakers is an error, unless they were asked for and nobody speaks", () => {
  const segments = [segment(0, 1, `${EN}hello`)];
  expect(() => writeDocument("rttm", { duration: 1, segments })).toThrow(
    new SenseVoiceError("[output] rttm: expected segments with speakers, got none: ask for speakers"),
  );
  expect(writeDocument("rttm", { duration: 1, segments }, { speakers: true })).toBe("");
});

test("no cue mixes two speakers, even of one segment", () => {
  const shown = cuesOf([mixed]).map(({ speaker, lines }) => [speaker, lines.map(lineText).join(" ")]);
  expect(shown).toEqual([
    ["S1", "are you there"],
    ["S2", "yes I am"],
  ]);
});

test("what nobody speaks is its neighbour's; words without a speaker are the segment's", () => {
  const words = mixed.words!.map((word, i) => (i < 3 ? { ...word, speaker: undefined } : word));
  const shown = (part: Segment) => cuesOf([part]).map(({ speaker, lines }) => [speaker, lines.map(lineText).join(" ")]);
  const text = "😀are you there, yes I am.😊";
  expect(shown({ ...mixed, words, speaker: "S3", text })).toEqual([
    ["S3", "😀are you there,"],
    ["S2", "yes I am.😊"],
  ]);
});

test("a cue that another speaker leaves less than a second is joined with the one before", () => {
  const list = words("0 I 0.4 think 0.8 so 1.2 . 1.2 / 1.3 Yes 1.5 . 1.5 / 1.6 Why 2 ? 2");
  const both = list.map((word, i) => ({ ...word, speaker: i < 6 ? "S1" : "S2" }));
  const shown = cuesOf([segment(0, 4, `${EN}I think so. Yes. Why?`, both)]).map(({ lines }) => lines.map(lineText));
  expect(shown).toEqual([["I think so. Yes."], ["Why?"]]);
});

test("a stretch goes from first to last word, parted by a pause of more than 0.5 s and by other voices", () => {
  const part = (list: Segment["words"]) => stretchesOf({ start: 0, end: 9, words: list, speaker: "S1" });
  expect(part(words("1 a 1.2 / 1.7 b 2 / 2.6 c 3"))).toEqual([
    { speaker: "S1", start: 1, end: 2 },
    { speaker: "S1", start: 2.6, end: 3 },
  ]);
  expect(part(null)).toEqual([{ speaker: "S1", start: 0, end: 9 }]);
  expect(stretchesOf(mixed)).toEqual([
    { speaker: "S1", start: 0.5, end: 1.2 },
    { speaker: "S2", start: 1.3, end: 2 },
  ]);
  expect(talkShares([segment(0, 1, EN)])).toEqual([]);
  const tenths = [segment(0, 0.1, EN), segment(1, 1.2, EN)].map((own) => by("S1", own));
  expect(talkShares(tenths)).toEqual([{ speaker: "S1", seconds: 0.3, share: 1 }]);
});

describe.each(FORMAT_NAMES.filter((name) => name !== "rttm"))("%s", (name) => {
  test("is the same whether speakers were asked for in vain or not at all", () => {
    const segments = document.segments.map(({ speaker, ...part }) => part);
    const writer = FORMATS[name].writer({});
    const parts = [writer.head(), ...segments.map((part) => writer.add(part)), writer.end({ duration: 12 })];
    expect(writeDocument(name, { duration: 12, segments: segments.map((part) => by(undefined, part)) })).toBe(
      parts.join(""),
    );
    expect(parts.join("")).not.toMatch(/speaker/i);
  });
});

describe.each([
  ["in pictures", SPEAKER_COLOURS, ["#ffffff", "#eef1f5", "#000000", "#1a2029", "#222a36"], 3, 22, []],
  ["in subtitles", SUBTITLE_COLOURS, ["#000000"], 6, 29, ["#ffffff"]],
] as const)("colours %s", (_, colours, grounds, least, apart, others) => {
  test.each([...colours])("%s can be read", (colour) => {
    for (const ground of grounds) expect(contrast(colour, ground)).toBeGreaterThanOrEqual(least);
  });

  test.each(Object.keys(SIGHTS))("are told apart by %s", (sight) => {
    const all = [...colours, ...others];
    const pairs = all.flatMap((a, i) => all.slice(i + 1).map((b) => distance(a, b, SIGHTS[sight])));
    expect(Math.min(...pairs)).toBeGreaterThan(apart);
  });
});
