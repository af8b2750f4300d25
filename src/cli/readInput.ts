import { readAudio } from "../audio/read.ts";
import { SenseVoiceError } from "../error.ts";

/** What stands for standard input on the command line. */
export const STDIN = "-";

/** Samples of a file, or of what comes in on standard input. */
export async function* readInput(file: string): AsyncGenerator<Float32Array> {
  if (file === STDIN && process.stdin.isTTY) {
    throw new SenseVoiceError("expected a sound file on stdin, got the keyboard");
  }
  yield await readAudio(file === STDIN ? Buffer.concat(await process.stdin.toArray()) : file, file, Infinity);
}
