import { streamInput } from "../audio/read.ts";
import { SenseVoiceError } from "../error.ts";

/** What stands for standard input on the command line. */
export const STDIN = "-";

/** Samples of a file, or of what comes in on standard input, piece by piece. */
export function openInput(file: string): AsyncGenerator<Float32Array> {
  if (file !== STDIN) return streamInput(file, file);
  if (process.stdin.isTTY) throw new SenseVoiceError("expected a sound file on stdin, got the keyboard");
  return streamInput(process.stdin, file);
}
