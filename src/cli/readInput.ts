import { MAX_SECONDS } from "../audio/pcm.ts";
import { streamInput } from "../audio/read.ts";
import { joinAudio } from "../audio/stream.ts";
import { SenseVoiceError } from "../error.ts";

/** What stands for standard input on the command line. */
export const STDIN = "-";

/** Samples of a file, or of what comes in on standard input. */
export async function readInput(file: string): Promise<Float32Array> {
  return joinAudio(openInput(file, MAX_SECONDS));
}

/** The same piece by piece, as it comes. */
export function openInput(file: string, maxSeconds?: number): AsyncGenerator<Float32Array> {
  if (file !== STDIN) return streamInput(file, file, maxSeconds);
  if (process.stdin.isTTY) throw new SenseVoiceError("expected a sound file on stdin, got the keyboard");
  return streamInput(process.stdin, file, maxSeconds);
}
