import { readdirSync } from "node:fs";
import { readAudio } from "../src/node.ts";

const RATE = 16_000;

/** The clips of test/eval. */
export async function readClips(): Promise<Float32Array[]> {
  const folder = new URL("../test/eval/", import.meta.url).pathname;
  const clips: Float32Array[] = [];
  for (const name of readdirSync(folder).filter((name) => name.endsWith(".flac"))) {
    clips.push(await readAudio(folder + name));
  }
  return clips;
}

/** Clips, again and again, and pauses of 0.3 to 2 s: samples in pieces of up to a second. */
export async function* speech(clips: readonly Float32Array[], seconds: number): AsyncGenerator<Float32Array> {
  const clip = (i: number) =>
    i % 2 ? clips[(i >> 1) % clips.length] : new Float32Array(((i * 7919) % 17) * 1600 + 4800);
  let left = seconds * RATE;
  for (let i = 0; left > 0; i++) {
    const pcm = clip(i);
    for (let at = 0; at < pcm.length && left > 0; at += RATE) {
      const piece = pcm.slice(at, Math.min(at + RATE, at + left));
      left -= piece.length;
      yield piece;
    }
  }
}
