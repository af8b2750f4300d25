import { expect, test } from "vitest";
import { lineText } from "../../src/output/cue.ts";
import { CueStream, cuesOf } from "../../src/output/cues.ts";
import { segment, shown, words } from "./segment.ts";

const cues = (...segments: ReturnType<typeof segment>[]) => cuesOf(segments).map(shown);
const EN = "<|en|><|NEUTRAL|><|Speech|><|withitn|>";
const ZH = "<|zh|><|NEUTRAL|><|Speech|><|withitn|>";

test("a short sentence is one line, from its first word to its last", () => {
  const spoken = words("1.2 The 1.3 ticket 1.8 / 2 costs 2.4 $ 2.6 4 2.7 5 2.8 . 2.9");
  expect(cues(segment(1, 4, `${EN}The ticket costs $45.`, spoken))).toEqual(["1.2–2.9 The ticket costs $45."]);
});

test("English: sentences part cues, clauses part lines", () => {
  const text =
    "When I came home, the lights were still on. Nobody answered, so I went around the house to the back door.";
  expect(cues(segment(0, 8, EN + text))).toEqual([
    "0–3.259 When I came home, | the lights were still on.",
    "3.259–8 Nobody answered, so I went around | the house to the back door.",
  ]);
});

test("Chinese: lines of 18 characters, broken at punctuation", () => {
  const text =
    "今天我们来讨论一下明年的预算，首先请财务部介绍情况。然后大家可以提问，时间大约是三十分钟，请各位准备好材料。";
  expect(cues(segment(0, 12, ZH + text))).toEqual([
    "0–5.878 今天我们来讨论一下明年的预算， | 首先请财务部介绍情况。",
    "5.878–12 然后大家可以提问，时间大约是 | 三十分钟，请各位准备好材料。",
  ]);
});

test("Chinese without punctuation is broken at words of the dictionary", () => {
  const text = "人工智能技术正在改变我们的生活方式和工作方式";
  expect(cues(segment(0, 5, `<|zh|>${text}`))).toEqual(["0–5 人工智能技术正在改变 | 我们的生活方式和工作方式"]);
});

test("Japanese: no line starts with a small kana, a long-vowel mark or punctuation", () => {
  const text = "コンピューターのスケジュールをチェックしてから、ちょっとミーティングに行ってきます。";
  expect(cues(segment(0, 6, `<|ja|>${text}`))).toEqual([
    "0–3.45 コンピューターのスケジュールを | チェックしてから、",
    "3.45–6 ちょっとミーティングに行ってきます。",
  ]);
});

test("Korean is broken at spaces only", () => {
  const text = "오늘 서울 날씨는 아주 춥고 바람이 많이 불겠습니다.";
  expect(cues(segment(0, 4, `<|ko|>${text}`))).toEqual(["0–4 오늘 서울 날씨는 아주 춥고 | 바람이 많이 불겠습니다."]);
});

test("mixed: Latin words in Chinese stay whole, figures stay with their counter", () => {
  const text = "我们在2024年3月15日发布了TypeScript的SenseVoice引擎，支持WebGPU和WebAssembly。";
  expect(cues(segment(0, 7, ZH + text))).toEqual([
    "0–4.873 我们在2024年3月15日发布了 | TypeScript的SenseVoice引擎，",
    "4.873–7 支持WebGPU和WebAssembly。",
  ]);
});

test("a figure stays with its counter where the middle is between them", () => {
  expect(cues(segment(0, 5, "<|zh|>我们明天上午大约在9点开始讨论预算和计划"))).toEqual([
    "0–5 我们明天上午大约在 | 9点开始讨论预算和计划",
  ]);
});

test("a long sentence is shared out evenly, not cut where the first cue is full", () => {
  const text = "nobody knew what to do with all the boxes that had been left in the corridor by the people upstairs";
  expect(cues(segment(0, 8, `<|en|>${text}`))).toEqual([
    "0–4 nobody knew what to do | with all the boxes that had",
    "4–8 been left in the corridor | by the people upstairs",
  ]);
});

test("marks behind the text do not leave it, whatever silence follows", () => {
  const happy = segment(
    0,
    5,
    "<|en|><|HAPPY|><|Speech|><|withitn|>What a day.",
    words("0 What 0.5 a 0.7 day 1.4 . 1.5"),
  );
  expect(cuesOf([happy]).map(shown)).toEqual(["0–1.5 What a day.😊"]);
  expect(cuesOf([happy], { marks: "words" }).map(shown)).toEqual(["0–1.5 What a day. [happy]"]);
});

test("marks in words take no time and are not mixed up with what is said", () => {
  const raw = "<|en|><|NEUTRAL|><|Laughter|><|woitn|>laughter is good";
  const spoken = segment(0, 3, raw, words("1 laughter 1.6 is 2 good 2.5"));
  expect(cuesOf([spoken], { marks: "words" }).map(shown)).toEqual(["1–2.5 [laughter] laughter is good"]);
  const starts = (of: typeof spoken) => cuesOf([of], { marks: "words" })[0].lines[0].map(({ start }) => start);
  expect(starts(spoken)).toEqual([1, 1, 1.6, 2]);
  expect(starts(segment(0, 1.4, raw))).toEqual([0, 0, 0.8, 1]);
});

test("a mark behind a word that fills the line goes to the next line whole", () => {
  const word = "x".repeat(40);
  const [{ lines }] = cuesOf([segment(0, 3, `<|zh|><|HAPPY|>${word}`)], { marks: "words" });
  expect(lines.map(lineText)).toEqual([word, "[开心]"]);
});

test("a long pause parts cues even within a sentence, and the first then ends", () => {
  const spoken = words("0 so 0.2 we 0.4 waited 0.9 / 4 and 4.2 waited 4.8 / 4.9 some 5.1 more 5.5");
  expect(cues(segment(0, 6, "<|en|>so we waited and waited some more", spoken))).toEqual([
    "0–1 so we waited",
    "4–5.5 and waited some more",
  ]);
});

test("a cue of less than a second is joined with its neighbour if there is no room to stretch it", () => {
  const spoken = words("0 Yes 0.3 . 0.3 / 0.5 I 0.6 think 0.9 so 1.5 . 1.5");
  expect(cues(segment(0, 1.6, `${EN}Yes. I think so.`, spoken))).toEqual(["0–1.5 Yes. I think so."]);
});

test("a cue of less than a second is stretched where the next segment leaves room", () => {
  const [yes, no, so] = [segment(0, 0.4, "<|en|>yes"), segment(5, 5.3, "<|en|>no"), segment(5.8, 7, "<|en|>well then")];
  expect(cues(yes, no, so)).toEqual(["0–1 yes", "5–5.8 no", "5.8–7 well then"]);
});

test("a cue stands as long as it takes to read, up to the next", () => {
  const text = "this was said faster than anyone reads it";
  expect(cues(segment(0, 1, `<|en|>${text}`))).toEqual([`0–1.952 ${text}`]);
  expect(cues(segment(0, 1, `<|en|>${text}`), segment(1.5, 3, "<|en|>and"))).toEqual([`0–1.5 ${text}`, "1.5–3 and"]);
});

test("no cue stands for more than 7 s or after the end of the recording", () => {
  expect(cues(segment(0, 30, "<|nospeech|><|EMO_UNKNOWN|><|BGM|><|woitn|>"))).toEqual(["0–7 🎼"]);
  expect(cuesOf([segment(0, 0.4, "<|en|>yes")], { duration: 0.6 }).map(shown)).toEqual(["0–0.6 yes"]);
});

test("words without the text's punctuation, figures and emoji give it their times", () => {
  const spoken = words("1 it 1.2 costs 1.6 / 2 forty 2.3 five 2.6 / 3 dollars 3.4");
  const [{ lines }] = cuesOf([segment(0, 4, "<|en|><|HAPPY|><|Applause|><|withitn|>It costs 45 dollars!", spoken)]);
  expect(lines.flat()).toEqual([
    { text: "👏", start: 1, end: 1 },
    { text: "It", start: 1, end: 1.2 },
    { text: " costs", start: 1.2, end: 1.6 },
    { text: " 45", start: 1.6, end: 3 },
    { text: " dollars!", start: 3, end: 3.4 },
    { text: "😊", start: 3.4, end: 3.4 },
  ]);
});

test("a word that the text lacks is passed over", () => {
  const spoken = words("0 well 0.5 The 0.6 . 0.7 / 1 right 1.5 then 2");
  expect(cues(segment(0, 2, "<|en|>well The. right then", spoken))).toEqual(["0–2 well right then"]);
});

test("words of another text: time is shared by characters", () => {
  expect(cues(segment(0, 2, "<|en|>hello", words("0.5 你 0.7 好 0.9")))).toEqual(["0–2 hello"]);
});

test("words that part from the text for good time it up to there", () => {
  const spoken = words("0.5 hello 0.9 / 1 Другие 1.2 слова 1.5");
  const [{ lines }] = cuesOf([segment(0, 3, "<|en|>hello one two", spoken)]);
  expect(lines[0].map(({ start, end }) => [start, end])).toEqual([
    [0.5, 0.9],
    [0.9, 1.95],
    [1.95, 3],
  ]);
});

test("only the last cue of a segment waits for the next one", () => {
  const stream = new CueStream();
  const text = "One sentence that is rather long. Another sentence that is as long.";
  expect(stream.add(segment(0, 5, EN + text)).map(shown)).toEqual(["0–2.5 One sentence that is rather long."]);
  expect(stream.add(segment(5, 6, "<|en|>next")).map(shown)).toEqual(["2.5–5 Another sentence that is as long."]);
  expect(stream.end(6).map(shown)).toEqual(["5–6 next"]);
});

test("segments without text have no cue", () => {
  expect(cues(segment(0, 1, "<|nospeech|><|EMO_UNKNOWN|><|Speech|><|woitn|>"))).toEqual([]);
});

test("more text than time: cues still come one after another, 10 ms each", () => {
  const text = Array.from({ length: 40 }, () => "word").join(" ");
  const made = cuesOf([segment(1, 1, `<|en|>${text}`)]);
  expect(made.map(({ start }) => start)).toEqual([1, 1.01, 1.02]);
});
