import type { CalibrationClip } from "./study.ts";

interface Variation {
  /** Faster and higher by this factor. */
  readonly speed: number;
  readonly gain: number;
  /** White noise so many decibels below the clip. */
  readonly noise: number;
  /** Whether punctuation is asked for where the clip has none, and the other way round. */
  readonly turned: boolean;
}

const VARIATIONS: readonly Variation[] = [
  { speed: 0.92, gain: 1, noise: 35, turned: true },
  { speed: 1.08, gain: 0.7, noise: 25, turned: false },
  { speed: 1, gain: 0.5, noise: 30, turned: true },
  { speed: 0.85, gain: 1, noise: 30, turned: false },
];

/** The clips, and each in four other ways: what is fitted to more sound fits sound that was not heard better. */
export function withVariations(clips: readonly CalibrationClip[]): CalibrationClip[] {
  const random = generator();
  return [...clips, ...VARIATIONS.flatMap((variation) => clips.map((clip) => varied(clip, variation, random)))];
}

function varied({ pcm, itn }: CalibrationClip, how: Variation, random: () => number): CalibrationClip {
  const out = new Float32Array(Math.floor(pcm.length / how.speed));
  const power = pcm.reduce((sum, sample) => sum + sample * sample, 0) / (pcm.length || 1);
  const sigma = Math.sqrt(power) * 10 ** (-how.noise / 20);
  for (let i = 0; i < out.length; i++) {
    const at = Math.floor(i * how.speed);
    const share = i * how.speed - at;
    const sample = pcm[at] * (1 - share) + (pcm[at + 1] ?? 0) * share;
    out[i] = how.gain * (sample + sigma * normal(random));
  }
  return { pcm: out, itn: how.turned ? !itn : itn };
}

/** Box and Muller 1958. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
}

/** Numbers between 0 and 1, the same each time: the linear congruential generator of "Numerical Recipes". */
function generator(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
}
