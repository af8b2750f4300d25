import { oneLine, SenseVoiceError } from "../error.ts";
import { type Failed, type Heard, plainText, toMilliseconds } from "./heard.ts";

/** A part of a recording to be kept: seconds, why, and what is said in it. */
export interface Piece {
  readonly file: string;
  readonly start: number;
  readonly end: number;
  /** Emotions and events, each once. */
  readonly reasons: readonly string[];
  readonly text: string;
}

export interface PieceOptions {
  /** Emotions and events that are wanted. */
  readonly only: readonly string[];
  /** Seconds added on both sides, as far as the recording goes. */
  readonly pad: number;
  /** Pieces at most this many seconds apart become one. */
  readonly merge: number;
}

export const CUT_FORMATS = ["json", "csv", "edl", "concat"] as const;
export type CutFormat = (typeof CUT_FORMATS)[number];

/** Frame rates of editors. Those below a whole number are 1000/1001 of it. */
export const FRAME_RATES = ["23.976", "24", "25", "29.97", "30", "50", "59.94", "60"] as const;

/** The most events that a list with numbers of three digits holds. */
const MAX_EVENTS = 999;

/** The pieces of a recording whose emotion or one of whose events is wanted, padded, in order, none overlapping. */
export function findPieces({ file, duration, segments }: Heard, { only, pad, merge }: PieceOptions): Piece[] {
  const pieces: Piece[] = [];
  const rounded = toMilliseconds(duration);
  const last = rounded > duration ? toMilliseconds(rounded - 0.001) : rounded;
  for (const { start, end, raw, emotion, events } of segments) {
    const reasons = [...new Set<string>([...events, emotion])].filter((name) => only.includes(name));
    const from = toMilliseconds(Math.max(0, start - pad));
    const to = Math.min(toMilliseconds(end + pad), last);
    if (reasons.length === 0 || from >= to) continue;
    const text = plainText(raw);
    const before = pieces.at(-1);
    if (before === undefined || toMilliseconds(from - before.end) > merge) {
      pieces.push({ file, start: from, end: to, reasons, text });
    } else {
      pieces[pieces.length - 1] = {
        ...{ file, start: Math.min(before.start, from), end: Math.max(before.end, to) },
        reasons: [...new Set([...before.reasons, ...reasons])],
        text: `${before.text} ${text}`.trim(),
      };
    }
  }
  return pieces;
}

/** A cut list; `concat` is for ffmpeg's concat demuxer. Throws a SenseVoiceError for what a format cannot say. */
export function formatPieces(
  pieces: readonly Piece[],
  failed: readonly Failed[],
  { format, fps }: { format: CutFormat; fps: string },
): string {
  if (format === "json") return `${JSON.stringify({ pieces, failed }, null, 2)}\n`;
  const write = { csv, edl: () => edl(pieces, failed, Number(fps)), concat }[format];
  return write(pieces, failed).join(format === "csv" ? "\r\n" : "\n");
}

/** RFC 4180. No cell begins with a sign by which spreadsheets know formulas. */
function csv(pieces: readonly Piece[], failed: readonly Failed[]): string[] {
  const name = (file: string) => (/^[=+@-]/.test(file) ? `./${file}` : file);
  const rows = [
    ["file", "start", "end", "duration", "reasons", "text", "error"],
    ...pieces.map(({ file, start, end, reasons, text }) => {
      const times = [start, end, toMilliseconds(end - start)].map((time) => time.toFixed(3));
      return [name(file), ...times, reasons.join(" "), text.replace(/^(?=[=+@-])/, " "), ""];
    }),
    ...failed.map(({ file, error }) => [name(file), "", "", "", "", "", error]),
  ];
  const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return [...rows.map((row) => row.map(cell).join(",")), ""];
}

/**
 * CMX 3600, non-drop frame: pieces one after another on the sound tracks, of films on the picture's too. Source:
 * SMPTE 258M; clip names in comments as Avid, Premiere and Resolve write them.
 */
function edl(pieces: readonly Piece[], failed: readonly Failed[], fps: number): string[] {
  if (pieces.length > MAX_EVENTS) {
    throw new SenseVoiceError(
      `EDL: expected at most ${MAX_EVENTS} pieces, got ${pieces.length}; merge them, or take csv`,
    );
  }
  const base = Math.round(fps);
  const frames = (seconds: number) => Math.round(seconds * (fps === base ? fps : (base * 1000) / 1001));
  const code = (frame: number) => timecode(frame, base);
  let record = 0;
  const events = pieces.flatMap(({ file, start, end, reasons }, i) => {
    const from = frames(start);
    const to = Math.max(frames(end), from + 1);
    const begin = record;
    record += to - from;
    const tracks = /\.(mp4|m4v|mov|mkv|webm|avi|mxf|mts|ts|wmv|flv)$/i.test(file) ? "AA/V" : "AA";
    return [
      `${String(i + 1).padStart(3, "0")}  AX       ${tracks.padEnd(5)} C        ${[from, to, begin, record].map(code).join(" ")}`,
      `* FROM CLIP NAME: ${oneLine(file.split(/[\\/]/).at(-1)!)}`,
      `* SOURCE FILE: ${oneLine(file)}`,
      `* COMMENT: ${reasons.join(" ")}`,
    ];
  });
  const errors = failed.map(({ file, error }) => `* FAILED: ${oneLine(`${file}: ${error}`)}`);
  return ["TITLE: sensevoice highlights", "FCM: NON-DROP FRAME", "", ...events, ...errors, ""];
}

/** `hh:mm:ss:ff` */
function timecode(frame: number, base: number): string {
  const seconds = Math.floor(frame / base);
  if (seconds >= 86_400) throw new SenseVoiceError(`EDL: expected times under 24 hours, got ${seconds} s; take csv`);
  const parts = [seconds / 3600, (seconds / 60) % 60, seconds % 60, frame % base];
  return parts.map((part) => String(Math.floor(part)).padStart(2, "0")).join(":");
}

/** The list of ffmpeg's concat demuxer (`-f concat -safe 0`). Source: ffmpeg-formats, "concat". */
function concat(pieces: readonly Piece[], failed: readonly Failed[]): string[] {
  return [
    "ffconcat version 1.0",
    ...pieces.flatMap(({ file, start, end, reasons }) => {
      if (/[\r\n\0]/.test(file)) {
        throw new SenseVoiceError(
          `${file}: expected a name without line breaks for ffmpeg's list; take another format`,
        );
      }
      const times = [`inpoint ${start.toFixed(3)}`, `outpoint ${end.toFixed(3)}`];
      return [`# ${reasons.join(" ")}`, `file '${file.replaceAll("'", "'\\''")}'`, ...times];
    }),
    ...failed.map(({ file, error }) => `# failed: ${oneLine(`${file}: ${error}`)}`),
    "",
  ];
}
