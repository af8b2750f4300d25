/**
 * How many speakers are found in made conversations of one to four voices, by the limit of likeness from which two groups of
 * windows are one voice, and as FunASR does it. Turns of 1 to 8 s; a window's embedding is the mean of its voices by time,
 * with noise and one of two moods of each voice. Prints a table in Markdown.
 *
 *     npx tsx scripts/study-speakers.ts
 */
import { ChangeLimit } from "../src/speakers/change.ts";
import { type Chunk, clearOf, coarse, everyHalf, RATE } from "../src/speakers/chunks.ts";
import { funasrLabels } from "../src/speakers/funasr.ts";
import { addTo, unit, type Vector } from "../src/speakers/vectors.ts";
import { groupVoices } from "../src/speakers/voices.ts";
import { randomNumbers } from "../test/support/speakers.ts";

const SIZE = 192;
const TIMES = 20;
const LIMITS = [0.65, 0.7, 0.75, 0.8, 0.85];
/** Mean cosine of two windows of one voice and of two voices, and a mood's share of a voice's spread. */
const KINDS = [
  [0.6, 0, 0],
  [0.6, 0.2, 0.2],
  [0.75, 0.2, 0.2],
  [0.85, 0.3, 0.3],
  [0.5, 0.15, 0.2],
  [0.9, 0.1, 0.2],
  [0.6, 0.4, 0.2],
  [0.75, 0.45, 0.2],
] as const;

type Said = readonly [voice: number, seconds: number];

function conversation(voices: number, seconds: number, random: () => number): Said[][] {
  const stretches: Said[][] = [];
  let voice = Math.floor(random() * voices);
  for (let total = 0; total < seconds; ) {
    const stretch = Array.from({ length: 1 + Math.floor(random() * 3) }, (): Said => {
      if (voices > 1) voice = (voice + 1 + Math.floor(random() * (voices - 1))) % voices;
      return [voice, 1 + 7 * random()];
    });
    stretches.push(stretch);
    total += stretch.reduce((sum, [, length]) => sum + length, 0);
  }
  return stretches;
}

/** What a speaker model says of a window in which each voice has a share of the time. */
function model(voices: number, [within, between, moods]: (typeof KINDS)[number], random: () => number) {
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

/** The embeddings of a conversation's windows, those that are clear, and how many voices have most of one. */
function hear(
  stretches: readonly Said[][],
  voices: number,
  plan: typeof coarse,
  seed: number,
  kind: (typeof KINDS)[number],
) {
  const random = randomNumbers(seed);
  const embed = model(voices, kind, random);
  const limit = new ChangeLimit();
  const heard = new Set<number>();
  const windows = stretches.map((stretch) => {
    const samples = Math.round(stretch.reduce((sum, [, seconds]) => sum + seconds, 0) * RATE);
    const mood = Number(random() < 0.5);
    const embeddings = plan(samples, 0).map((chunk) => {
      const shares = sharesOf(chunk, stretch, voices);
      heard.add(shares.indexOf(Math.max(...shares)));
      return embed(shares, mood);
    });
    limit.add(embeddings);
    const isClear = clearOf(embeddings, limit.value);
    return { embeddings, clear: embeddings.filter((_, i) => isClear[i]) };
  });
  const clear = windows.flatMap((own) => own.clear);
  return { embeddings: windows.flatMap((own) => own.embeddings), clear, voices: heard.size };
}

function sharesOf({ first, last }: Chunk, stretch: readonly Said[], voices: number): number[] {
  const shares = Array<number>(voices).fill(0);
  let at = 0;
  for (const [voice, seconds] of stretch) {
    const [from, to] = [at * RATE, (at + seconds) * RATE];
    shares[voice] += Math.max(0, Math.min(last, to) - Math.max(first, from)) / (last - first);
    at += seconds;
  }
  return shares;
}

const rows = new Map<string, { count: number; wrong: Map<string, [more: number, fewer: number]> }>();
function note(row: string, way: string, found: number, truth: number): void {
  const entry = rows.get(row) ?? { count: 0, wrong: new Map() };
  rows.set(row, entry);
  const wrong = entry.wrong.get(way) ?? [0, 0];
  entry.wrong.set(way, wrong);
  if (way === String(LIMITS[0])) entry.count++;
  if (found !== truth) wrong[found > truth ? 0 : 1]++;
}

for (const seconds of [12, 25, 60, 150]) {
  for (const voices of [1, 2, 3, 4].filter((count) => count === 1 || count * 6 <= seconds)) {
    for (const kind of KINDS.filter(([, between]) => voices > 1 || between < 0.4)) {
      for (let time = 0; time < TIMES; time++) {
        const seed = time * 131 + voices * 17 + seconds * 3 + 1;
        const stretches = conversation(voices, seconds, randomNumbers(seed));
        const row = `${seconds} s, ${voices === 1 ? "one voice" : kind[1] >= 0.4 ? "near voices" : "2 to 4 voices"}`;
        const ours = hear(stretches, voices, coarse, seed + 1, kind);
        for (const sameVoice of LIMITS) {
          note(row, String(sameVoice), new Set(groupVoices(ours.clear, { sameVoice })).size, ours.voices);
        }
        const theirs = hear(stretches, voices, everyHalf, seed + 1, kind);
        note(row, "FunASR", new Set(funasrLabels(theirs.embeddings)).size, theirs.voices);
      }
    }
  }
}
const ways = [...LIMITS.map(String), "FunASR"];
console.log(`| | of | ${ways.join(" | ")} |\n|---|---|${"---|".repeat(ways.length)}`);
for (const [row, { count, wrong }] of rows) {
  const cells = ways.map((way) =>
    (wrong.get(way) ?? [0, 0]).map((number, i) => `${number} ${["more", "fewer"][i]}`).join(", "),
  );
  console.log(`| ${row} | ${count} | ${cells.join(" | ")} |`);
}
