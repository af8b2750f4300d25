import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { streamSound } from "../audio/source.ts";
import { type WavFormat, wavHeader } from "../audio/wav.ts";
import { SenseVoiceError } from "../error.ts";
import type { EngineOptions, LiveOptions, LiveResult, LiveSpeakerOptions, SpeechStream } from "../node.ts";
import { FORMATS } from "../output/formats.ts";
import type { Marks } from "../output/marks.ts";
import { type AskOptions, runOptions } from "./hear.ts";
import { printNote } from "./messages.ts";
import { type SpeakerArguments, speakerOptions } from "./people.ts";
import { openEngine } from "./transcribe.ts";

/** As the command line gives them. */
export interface LiveArguments
  extends Omit<EngineOptions, "signal">,
    AskOptions,
    Omit<LiveOptions, keyof LiveSpeakerOptions>,
    Omit<SpeakerArguments, "speakerMode">,
    WavFormat {
  readonly format: "text" | "jsonl";
  readonly marks?: Marks;
}

/** What recorders give. */
const RECORDED: WavFormat = { encoding: "s16le", rate: 16_000, channels: 1 };

/** Programs that record from the default microphone: 16-bit samples, mono, 16 kHz, on standard output. */
const RECORDERS: Readonly<Record<string, readonly (readonly [command: string, ...args: string[]])[]>> = {
  linux: [
    ["arecord", "-q", "-t", "raw", "-f", "S16_LE", "-r", "16000", "-c", "1"],
    ffmpeg("-f", "pulse", "-i", "default"),
    ffmpeg("-f", "alsa", "-i", "default"),
  ],
  darwin: [ffmpeg("-f", "avfoundation", "-i", ":default")],
};

function ffmpeg(...input: string[]): [string, ...string[]] {
  return ["ffmpeg", "-nostdin", "-loglevel", "error", ...input, "-f", "s16le", "-ac", "1", "-ar", "16000", "-"];
}

/**
 * Prints what is said while it is said: raw samples on standard input, or the microphone where that is a keyboard. On
 * a terminal a partial result is grey until the final one takes its place; else only final ones are printed, as
 * jsonl both. A speaker who turns out to be another is told of on stderr, in jsonl with the result.
 */
export async function live(options: LiveArguments): Promise<void> {
  const { format, marks, vad, maxSegmentSeconds, partialSeconds, endSilenceMs, speechThreshold, padMs } = options;
  const speaking = await speakerOptions(options);
  const engine = await openEngine(options);
  try {
    const voice = { vad, maxSegmentSeconds, endSilenceMs, speechThreshold, padMs };
    const stream = engine.stream({ ...runOptions(options), ...voice, ...speaking, partialSeconds });
    const fed = feed(stream, options);
    fed.catch(() => {}); // awaited below
    const writer = FORMATS[format].writer({ marks });
    for await (const result of stream) {
      if (format === "text" && result.renamed) process.stdout.write(clearLine());
      if (format === "text") for (const { from, to } of result.renamed ?? []) printNote(`${from} is ${to}`);
      if (format === "jsonl" || result.final) process.stdout.write(clearLine() + writer.add(result));
      else showPartial(result);
    }
    process.stdout.write(clearLine());
    await fed;
  } finally {
    await engine.close();
  }
}

/** Sound that comes in goes to the stream until it ends. */
async function feed(stream: SpeechStream, options: LiveArguments): Promise<void> {
  try {
    const stdin = !process.stdin.isTTY;
    const header = wavHeader(stdin ? options : RECORDED);
    const sound = stdin ? process.stdin : await openRecorder();
    const pieces = streamSound(withHeader(header, sound), stdin ? "stdin" : "microphone");
    for await (const pcm of pieces) await stream.write(pcm);
  } finally {
    stream.end();
  }
}

async function* withHeader(header: Uint8Array, sound: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield header;
  yield* sound;
}

/** The first recorder that gives sound. */
async function openRecorder(): Promise<Readable> {
  for (const [command, ...args] of RECORDERS[process.platform] ?? []) {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"] });
    process.once("exit", () => child.kill());
    const starts = await new Promise<boolean>((resolve) => {
      child.once("error", () => resolve(false));
      child.once("exit", () => resolve(false));
      child.stdout.once("readable", () => resolve(child.stdout.readableLength > 0));
    });
    if (starts) return child.stdout;
  }
  throw new SenseVoiceError(
    "expected sound on stdin, or a microphone that arecord or ffmpeg can open; found none. Raw samples can come from any program: PROGRAM | sensevoice live",
  );
}

function clearLine(): string {
  return process.stdout.isTTY ? "\r\x1b[2K" : "";
}

function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}]/gu, "\ufffd");
}

function showPartial({ text, stable }: LiveResult): void {
  if (!process.stdout.isTTY) return;
  const columns = process.stdout.columns ?? 80;
  // What does not fit would leave lines behind. A CJK character takes two columns.
  const start = Math.max(0, text.length - Math.floor((columns - 1) / 2));
  const [fixed, open] = [text.slice(start, Math.max(start, stable)), text.slice(Math.max(start, stable))];
  process.stdout.write(`${clearLine()}${printable(fixed)}\x1b[2m${printable(open)}\x1b[22m`);
}
