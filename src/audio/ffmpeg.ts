import { spawn } from "node:child_process";
import type { DecodedAudio } from "./pcm.ts";
import { decodeWav } from "./wav.ts";

/**
 * Lets an `ffmpeg` on the PATH decode the bytes, if there is one: sound of any rate and number of channels as
 * float wav from pipe to pipe. It may open nothing but its pipes, whatever the bytes tell it to.
 *
 * @returns the sound, or in a few words why there is none
 */
export async function decodeWithFfmpeg(bytes: Uint8Array): Promise<DecodedAudio | string> {
  const { status, wav, complaint } = await runFfmpeg(bytes);
  if (status === null) return "an ffmpeg on the PATH would read more, and there is none";
  const decoded = status === 0 && wav.length > 0 ? decodeWav(wav, "ffmpeg") : undefined;
  return decoded ?? `ffmpeg cannot read it either (${complaint || `exit status ${status}`})`;
}

/** Status null: it could not be started. */
function runFfmpeg(bytes: Uint8Array): Promise<{ status: number | null; wav: Buffer; complaint: string }> {
  const flags = "-nostdin -v error -xerror -protocol_whitelist pipe -i pipe:0 -map 0:a:0";
  const args = `${flags} -c:a pcm_f32le -f wav pipe:1`.split(" ");
  return new Promise((resolve) => {
    const ffmpeg = spawn("ffmpeg", args, { windowsHide: true });
    const chunks: Buffer[] = [];
    let complaint = "";
    ffmpeg.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    ffmpeg.stderr.on("data", (chunk: Buffer) => {
      complaint ||= chunk
        .toString()
        .split("\n", 1)[0]
        .replace(/^\[[^\]]*\] */, "");
    });
    ffmpeg.stdin.on("error", () => {}); // It may stop reading early; its exit status says whether that matters.
    ffmpeg.stdin.end(bytes);
    ffmpeg.on("error", () => resolve({ status: null, wav: Buffer.alloc(0), complaint }));
    ffmpeg.on("close", (status) => resolve({ status: status ?? -1, wav: Buffer.concat(chunks), complaint }));
  });
}
