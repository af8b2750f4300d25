import { readFile, stat } from "node:fs/promises";
import { SenseVoiceError } from "../error.ts";
import { decodeWithFfmpeg } from "./ffmpeg.ts";
import { MAX_SECONDS } from "./pcm.ts";
import { joinAudio, streamAudio } from "./stream.ts";

/** Node reads files up to here into memory: some 3 hours of 16-bit stereo at 48 kHz. */
export const MAX_FILE_BYTES = 2 ** 31 - 1;

/**
 * Reads a sound file, or its bytes, as the model wants it: decoded, mixed down, resampled.
 *
 * @param source a path, or what a sound file contains
 * @param name what to call it in messages
 * @param maxSeconds where decoding stops with an error, so that a small file cannot fill the memory
 * @returns mono samples in [-1, 1] at 16 kHz
 * @throws SenseVoiceError that names the file, if it cannot be read, is no sound, is damaged, is empty or too long
 */
export async function readAudio(
  source: string | Uint8Array,
  name = typeof source === "string" ? source : "audio",
  maxSeconds = MAX_SECONDS,
): Promise<Float32Array> {
  const bytes = typeof source === "string" ? await readBytes(source) : source;
  return joinAudio(streamAudio(bytes, name, decodeWithFfmpeg, maxSeconds));
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const info = await stat(path);
    if (info.isDirectory()) throw new SenseVoiceError(`${path}: expected a sound file, got a directory`);
    if (info.isCharacterDevice()) throw new SenseVoiceError(`${path}: expected a sound file, got a device`);
    if (info.size > MAX_FILE_BYTES) {
      throw new SenseVoiceError(`${path}: expected a file below 2 GiB, got ${info.size} bytes`);
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof SenseVoiceError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    const reason = code === "ENOENT" ? "no such file" : `cannot be read (${code ?? String(error)})`;
    throw new SenseVoiceError(`${path}: ${reason}`);
  }
}
