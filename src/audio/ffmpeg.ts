import { spawn } from "node:child_process";
import { pipeline } from "node:stream/promises";
import type { Container } from "./container.ts";
import type { Sound } from "./decode.ts";
import { type PcmLayout, readPcm } from "./pcm.ts";

/** AU's header: magic, where the sound begins, its length, encoding, rate and channels, as 32-bit integers. */
const HEADER = 24;

/** Demuxers that may have to go back in a file: its table of contents stands at the end. They open no other file. */
const SEEKING: Partial<Record<Container, string>> = { mp4: "mov" };

/**
 * Lets an `ffmpeg` on the PATH decode a file, if there is one: sound of any rate and number of channels as float AU,
 * whose header is the shortest. It reads a pipe and may open nothing, whatever the bytes tell it to; but a file of
 * SEEKING it reads by itself. It ends as soon as its sound is no longer wanted.
 *
 * @param file its bytes
 * @param container what they are
 * @param path where the file is, if it is one
 * @returns the sound as it comes, or in a few words why there is none
 * @throws what the stream of bytes does
 */
export async function* decodeWithFfmpeg(file: AsyncIterable<Uint8Array>, container?: Container, path?: string): Sound {
  const demuxer = container && path !== undefined ? SEEKING[container] : undefined;
  if (demuxer) for await (const _ of file); // to the end: its length is checked there
  const from = demuxer ? ["file", "-f", demuxer, "-i", `file:${path}`] : ["pipe", "-i", "pipe:0"];
  const args = [
    "-nostdin",
    "-v",
    "error",
    "-xerror",
    "-protocol_whitelist",
    ...from,
    "-map",
    "0:a:0",
    "-map_metadata",
    "-1",
  ];
  const ffmpeg = spawn("ffmpeg", [...args, "-c:a", "pcm_f32be", "-f", "au", "pipe:1"], { windowsHide: true });
  let firstError = ""; // its first line without the part of ffmpeg that says it
  ffmpeg.stderr.on("data", (chunk: Buffer) => {
    firstError ||= /^(?:\[[^\]]*\] *)?(.*)/.exec(chunk.toString())![1];
  });
  const failures: unknown[] = [];
  const bytes = async function* () {
    try {
      if (!demuxer) yield* file;
    } catch (error) {
      failures.push(error);
      throw error;
    }
  };
  // It may stop reading early; its exit status says whether that matters.
  pipeline(bytes, ffmpeg.stdin).catch(() => {});
  // Null: it could not be started.
  const ended = new Promise<number | null>((resolve) => {
    ffmpeg.on("error", () => resolve(null));
    ffmpeg.on("close", (status) => resolve(status ?? -1));
  });
  let rest = Buffer.alloc(0);
  let layout: PcmLayout | undefined;
  try {
    for await (const chunk of ffmpeg.stdout as AsyncIterable<Buffer>) {
      rest = Buffer.concat([rest, chunk]);
      if (!layout && rest.length < HEADER) continue;
      layout ??= auLayout(rest);
      const frames = Math.floor((rest.length - layout.start) / layout.frameBytes);
      if (frames < 1) continue;
      yield* readPcm(rest, { ...layout, frames });
      rest = rest.subarray(layout.start + frames * layout.frameBytes);
      layout = { ...layout, start: 0 };
    }
  } finally {
    if (!ffmpeg.stdout.readableEnded) ffmpeg.kill("SIGKILL");
  }
  const status = await ended;
  if (failures.length > 0) throw failures[0];
  if (status === null) return "an ffmpeg on the PATH would read more, and there is none";
  if (status === 0 && layout) return undefined;
  return `ffmpeg cannot read it either (${firstError || `exit status ${status}`})`;
}

function auLayout(header: Buffer): PcmLayout {
  const [start, sampleRate, channels] = [4, 16, 20].map((at) => header.readUInt32BE(at));
  const read = (view: DataView, at: number) => view.getFloat32(at);
  return { sampleRate, channels, frames: 0, frameBytes: 4 * channels, start, read };
}
