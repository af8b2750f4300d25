import { open, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { SenseVoiceError } from "../error.ts";
import type { Fallback } from "./decode.ts";
import { decodeWithFfmpeg } from "./ffmpeg.ts";
import { MAX_SECONDS, typeName } from "./pcm.ts";
import type { SoundSource } from "./pieces.ts";
import { streamSound } from "./source.ts";
import { joinAudio, streamAudio } from "./stream.ts";

/** Bytes that are read of a file at a time. */
const CHUNK = 2 ** 16;

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
  return joinAudio(streamInput(source, name, maxSeconds));
}

/**
 * Any sound, as `streamSound` takes it, or a file: the text is its path.
 *
 * @throws SenseVoiceError as `streamSound` and `streamFile` do
 */
export function streamInput(
  source: SoundSource | string | URL,
  name?: string,
  maxSeconds?: number,
): AsyncGenerator<Float32Array> {
  const isFile = typeof source === "string" || typeName(source) === "URL";
  if (isFile) return streamFile(source as string | URL, name, maxSeconds);
  return streamSound(source as SoundSource, name, decodeWithFfmpeg, maxSeconds);
}

/**
 * A sound file of any size as the model wants it, piece by piece: decoded, mixed down, resampled. It is closed at the
 * end, and when no more is wanted.
 *
 * @param file a path or a `file:` URL
 * @param name what to call it in messages
 * @returns mono samples in [-1, 1] at 16 kHz
 * @throws SenseVoiceError that begins with the name, if the file cannot be read, and as `streamAudio` does
 */
export async function* streamFile(
  file: string | URL,
  name = String(file),
  maxSeconds?: number,
): AsyncGenerator<Float32Array> {
  const path = await orRefuse(name, async () => (typeof file === "string" ? file : fileURLToPath(file)));
  const info = await orRefuse(name, () => stat(path));
  if (info.isDirectory()) throw new SenseVoiceError(`${name}: expected a sound file, got a directory`);
  if (info.isCharacterDevice()) throw new SenseVoiceError(`${name}: expected a sound file, got a device`);
  const size = (info.isFile() && info.size) || undefined; // 0 for what the system makes up as it is read
  const decode: Fallback = (bytes, container) => decodeWithFfmpeg(bytes, container, size ? path : undefined);
  yield* streamAudio(Object.assign(chunksOf(path, name), { size }), name, decode, maxSeconds);
}

async function* chunksOf(path: string, name: string): AsyncGenerator<Uint8Array> {
  const file = await orRefuse(name, () => open(path));
  const chunk = new Uint8Array(CHUNK);
  try {
    for (;;) {
      const { bytesRead } = await orRefuse(name, () => file.read(chunk, 0, CHUNK, null));
      if (bytesRead === 0) return;
      yield chunk.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** What the system gives, or why not. */
async function orRefuse<T>(name: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reason = code === "ENOENT" ? "no such file" : `cannot be read (${code ?? String(error)})`;
    throw new SenseVoiceError(`${name}: ${reason}`);
  }
}
