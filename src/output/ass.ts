import { type Cue, lineText, type TimedText } from "./cue.ts";
import { cueWriter } from "./cues.ts";
import { type Format, singleLine } from "./format.ts";
import { SUBTITLE_COLOURS } from "./speakers.ts";

/** White, or a speaker's colour, on a dark outline, at the bottom, for a picture of 1920 × 1080; words not yet spoken are grey. */
const header = (speakers: boolean) => `[Script Info]
ScriptType: v4.00+
PlayResX: 1920
PlayResY: 1080
WrapStyle: 2
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
${style("Default", "#ffffff")}${speakers ? SUBTITLE_COLOURS.map((colour, i) => style(`Speaker ${i + 1}`, colour)).join("") : ""}
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
`;

function style(name: string, colour: string): string {
  const [, red, green, blue] = /#(..)(..)(..)/.exec(colour.toUpperCase())!;
  return `Style: ${name},Arial,64,&H00${blue}${green}${red},&H00A0A0A0,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,3,1,2,60,60,54,1\n`;
}

/** Advanced SubStation Alpha; each speaker has a colour; each word takes its colour when it is spoken (`\\k`), where word times are known. */
export const ass: Format = {
  extension: "ass",
  mimeType: "text/x-ssa",
  writer({ marks, karaoke = true, speakers = false }) {
    const seen: string[] = [];
    return cueWriter(marks, header(speakers), (cue) => {
      const lines = karaoke && cue.timed ? sungLines(cue) : cue.lines.map((line) => escaped(lineText(line)));
      if (cue.speaker !== undefined && !seen.includes(cue.speaker)) seen.push(cue.speaker);
      const index = cue.speaker === undefined ? -1 : seen.indexOf(cue.speaker);
      const name = speakers && index >= 0 ? `Speaker ${(index % SUBTITLE_COLOURS.length) + 1}` : "Default";
      const by = singleLine(cue.speaker ?? "").replaceAll(",", ";"); // a comma would end the field
      return `Dialogue: 0,${clock(cue.start)},${clock(cue.end)},${name},${by},0,0,0,,${lines.join("\\N")}\n`;
    });
  },
};

/** Each word with the centiseconds from its start to the start of the next one, the last to the end of the cue. */
function sungLines({ start, end, lines }: Cue): string[] {
  const starts = lines.flat().map((word) => Math.max(centiseconds(start), centiseconds(word.start)));
  let next = 0;
  const sung = ({ text }: TimedText) => {
    const from = starts[next++];
    return `{\\k${Math.max(0, (starts[next] ?? centiseconds(end)) - from)}}${escaped(text)}`;
  };
  return lines.map((line) => line.map(sung).join(""));
}

/** Nothing escapes a backslash: an invisible word joiner behind it keeps it from being the start of `\N`. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\\u2060").replace(/[{}]/g, "\\$&");
}

/** `1:01:01.00`; hundredths are cut off, so that times keep their order. */
function clock(seconds: number): string {
  const total = centiseconds(seconds);
  const part = (unit: number, count: number) => String(Math.floor(total / unit) % count).padStart(2, "0");
  return `${Math.floor(total / 360_000)}:${part(6000, 60)}:${part(100, 60)}.${part(1, 100)}`;
}

function centiseconds(seconds: number): number {
  return Math.floor(Math.round(seconds * 1000) / 10);
}
