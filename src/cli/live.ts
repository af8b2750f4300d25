import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { streamSound } from "../audio/source.ts";
import { SenseVoiceError } from "../error.ts";
import type { EngineOptions, LiveOptions, LiveResult } from "../node.ts";
import { FORMATS } from "../output/formats.ts";
import type { Marks } from "../output/marks.ts";
import { type AskOptions, runOptions } from "./hear.ts";
import { openEngine } from "./transcribe.ts";

/** As the command line gives them. */
export interface LiveArguments extends Omit<EngineOptions, "signal">, AskOptions, LiveOptions {
  readonly format: "text" | "jsonl";
  readonly marks?: Marks;
  readonly encoding: "s16le" | "f32le";
  readonly rate: number;
  readonly channels: number;
}

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
 * jsonl both.
 */
export async function live(options: LiveArguments): Promise<void> {
  const { format, marks, vad, maxSegmentSeconds, partialSeconds } = options;
  const engine = await openEngine(options);
  try {
    const stream = engine.stream({ ...runOptions(options), vad, maxSegmentSeconds, partialSeconds });
    const fed = feed(stream, options);
    fed.catch(() => {}); // awaited below
    const writer = FORMATS[format].writer({ marks });
    for await (const result of stream) {
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
async function feed(stream: { write(pcm: Float32Array): void; end(): void }, options: LiveArguments): Promise<void> {
  try {
    const { encoding, rate, channels } = options;
    const stdin = !process.stdin.isTTY;
    const header = stdin ? wavHeader(encoding, rate, channels) : wavHeader("s16le", 16_000, 1);
    const sound = stdin ? process.stdin : await openRecorder();
    for await (const pcm of streamSound(withHeader(header, sound), stdin ? "stdin" : "microphone")) stream.write(pcm);
  } finally {
    stream.end();
  }
}

async function* withHeader(header: Uint8Array, sound: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield header;
  yield* sound;
}

/** The head of a wav file of unknown length. */
function wavHeader(encoding: LiveArguments["encoding"], rate: number, channels: number): Uint8Array {
  const bytes = encoding === "s16le" ? 2 : 4;
  const header = Buffer.alloc(44);
  header.write("RIFF\xff\xff\xff\xffWAVEfmt ", 0, "latin1");
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(encoding === "s16le" ? 1 : 3, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate * channels * bytes, 28);
  header.writeUInt16LE(channels * bytes, 32);
  header.writeUInt16LE(8 * bytes, 34);
  header.write("data\xff\xff\xff\xff", 36, "latin1");
  return header;
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
