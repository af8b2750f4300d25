import { spawn } from "node:child_process";
import type { Sound } from "./decode.ts";
import { type PcmLayout, readPcm } from "./pcm.ts";

/** AU's header: magic, where the sound begins, its length, encoding, rate and channels, as 32-bit integers. */
const HEADER = 24;

/**
 * Lets an `ffmpeg` on the PATH decode the bytes, if there is one: sound of any rate and number of channels as
 * float AU, whose header is the shortest, from pipe to pipe. It may open nothing but its pipes, whatever the bytes
 * tell it to. It ends as soon as its sound is no longer wanted.
 *
 * @returns the sound as it comes, or in a few words why there is none
 */
export async function* decodeWithFfmpeg(bytes: Uint8Array): Sound {
  const flags = "-nostdin -v error -xerror -protocol_whitelist pipe -i pipe:0 -map 0:a:0 -map_metadata -1";
  const args = `${flags} -c:a pcm_f32be -f au pipe:1`.split(" ");
  const ffmpeg = spawn("ffmpeg", args, { windowsHide: true });
  let firstError = ""; // its first line without the part of ffmpeg that says it
  ffmpeg.stderr.on("data", (chunk: Buffer) => {
    firstError ||= /^(?:\[[^\]]*\] *)?(.*)/.exec(chunk.toString())![1];
  });
  ffmpeg.stdin.on("error", () => {}); // It may stop reading early; its exit status says whether that matters.
  ffmpeg.stdin.end(bytes);
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
  if (status === null) return "an ffmpeg on the PATH would read more, and there is none";
  if (status === 0 && layout) return undefined;
  return `ffmpeg cannot read it either (${firstError || `exit status ${status}`})`;
}

function auLayout(header: Buffer): PcmLayout {
  const [start, sampleRate, channels] = [4, 16, 20].map((at) => header.readUInt32BE(at));
  const read = (view: DataView, at: number) => view.getFloat32(at);
  return { sampleRate, channels, frames: 0, frameBytes: 4 * channels, start, read };
}
