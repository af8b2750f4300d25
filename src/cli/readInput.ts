import { MAX_FILE_BYTES } from "../audio/read.ts";
import { SenseVoiceError } from "../error.ts";
import { readAudio } from "../node.ts";

/** What stands for standard input on the command line. */
export const STDIN = "-";

/** Samples of a file, or of what comes in on standard input. */
export async function readInput(file: string): Promise<Float32Array> {
  return readAudio(file === STDIN ? await readStdin() : file, file);
}

async function readStdin(): Promise<Uint8Array> {
  if (process.stdin.isTTY) throw new SenseVoiceError("expected a sound file on stdin, got the keyboard");
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_FILE_BYTES) throw new SenseVoiceError("expected less than 2 GiB on stdin");
  }
  return Buffer.concat(chunks);
}
