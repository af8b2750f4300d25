import { addTo, unit, type Vector } from "../src/speakers/vectors.ts";

const SIZE = 192;

/** Mean cosine of two windows of one voice and of two voices, and a mood's share of a voice's spread. */
export type Kind = readonly [within: number, between: number, moods: number];

/** Who speaks, and for how many seconds. */
export type Said = readonly [voice: number, seconds: number];

/** Stretches of one to `turns` turns of 1 to 8 s. */
export function conversation(voices: number, seconds: number, random: () => number, turns = 3): Said[][] {
  const stretches: Said[][] = [];
  let voice = Math.floor(random() * voices);
  for (let total = 0; total < seconds; ) {
    const stretch = Array.from({ length: 1 + Math.floor(random() * turns) }, (): Said => {
      if (voices > 1) voice = (voice + 1 + Math.floor(random() * (voices - 1))) % voices;
      return [voice, 1 + 7 * random()];
    });
    stretches.push(stretch);
    total += stretch.reduce((sum, [, length]) => sum + length, 0);
  }
  return stretches;
}

/** What a speaker model says of a window in which each voice has a share of the time. */
export function model(voices: number, [within, between, moods]: Kind, random: () => number) {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const direction = () => unit(Float64Array.from({ length: SIZE }, normal));
  const scaled = (vector: Vector, share: number) => Float64Array.from(vector, (value) => value * share);
  const common = direction();
  const shared = Math.min(0.95, between / within);
  const spread = 1 / within - 1;
  const people = Array.from({ length: voices }, () => {
    const centre = scaled(common, Math.sqrt(shared));
    addTo(centre, scaled(direction(), Math.sqrt(1 - shared)));
    return [0, 1].map(() => {
      const inMood = Float64Array.from(centre);
      addTo(inMood, scaled(direction(), Math.sqrt(spread * moods)));
      return inMood;
    });
  });
  return (shares: readonly number[], mood: number): Float32Array => {
    const sum = scaled(direction(), Math.sqrt(spread * (1 - moods) * (0.6 + 0.8 * random())));
    for (const [voice, share] of shares.entries()) addTo(sum, scaled(people[voice][mood], share));
    return Float32Array.from(sum);
  };
}

/** The share of each voice in the time between two moments of a stretch. */
export function sharesOf(first: number, last: number, stretch: readonly Said[], voices: number): number[] {
  const shares = Array<number>(voices).fill(0);
  let at = 0;
  for (const [voice, seconds] of stretch) {
    shares[voice] += Math.max(0, Math.min(last, at + seconds) - Math.max(first, at)) / (last - first);
    at += seconds;
  }
  return shares;
}
