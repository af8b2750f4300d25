import { fileURLToPath } from "node:url";
import { readAudio } from "../../src/node.ts";
import { randomizer } from "./random.ts";

const RATE = 16_000;

export interface Recording {
  readonly pcm: Float32Array;
  /** From when to when each sample is in it, in seconds. */
  readonly places: readonly (readonly [number, number])[];
}

/** Sounds of samples/ one after another, pauses of so many seconds around them, in faint noise. */
export async function recordingOf(names: readonly string[], pause: number): Promise<Recording> {
  const clips = [];
  for (const name of names)
    clips.push(await readAudio(fileURLToPath(new URL(`../../samples/${name}`, import.meta.url))));
  const gap = pause * RATE;
  const pcm = randomizer(1)([clips.reduce((sum, { length }) => sum + length + gap, gap)], 1e-4).data as Float32Array;
  let at = gap;
  const places = clips.map((clip) => {
    for (let i = 0; i < clip.length; i++) pcm[at + i] += clip[i];
    const place = [at / RATE, (at + clip.length) / RATE] as const;
    at += clip.length + gap;
    return place;
  });
  return { pcm, places };
}
