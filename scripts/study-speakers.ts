/**
 * How many speakers are found in made conversations of one to four voices, by the limit of likeness from which two groups of
 * windows are one voice, and as FunASR does it. Turns of 1 to 8 s; a window's embedding is the mean of its voices by time,
 * with noise and one of two moods of each voice. Prints a table in Markdown.
 *
 *     npx tsx scripts/study-speakers.ts
 */
import { ChangeLimit } from "../src/speakers/change.ts";
import { clearOf, coarse, everyHalf, RATE } from "../src/speakers/chunks.ts";
import { funasrLabels } from "../src/speakers/funasr.ts";
import { groupVoices } from "../src/speakers/voices.ts";
import { randomNumbers } from "../test/support/speakers.ts";
import { conversation, type Kind, model, type Said, sharesOf } from "./madeTalk.ts";

const TIMES = 20;
const LIMITS = [0.65, 0.7, 0.75, 0.8, 0.85];
const KINDS: readonly Kind[] = [
  [0.6, 0, 0],
  [0.6, 0.2, 0.2],
  [0.75, 0.2, 0.2],
  [0.85, 0.3, 0.3],
  [0.5, 0.15, 0.2],
  [0.9, 0.1, 0.2],
  [0.6, 0.4, 0.2],
  [0.75, 0.45, 0.2],
];

/** The embeddings of a conversation's windows, those that are clear, and how many voices have most of one. */
function hear(stretches: readonly Said[][], voices: number, plan: typeof coarse, seed: number, kind: Kind) {
  const random = randomNumbers(seed);
  const embed = model(voices, kind, random);
  const limit = new ChangeLimit();
  const heard = new Set<number>();
  const windows = stretches.map((stretch) => {
    const samples = Math.round(stretch.reduce((sum, [, seconds]) => sum + seconds, 0) * RATE);
    const mood = Number(random() < 0.5);
    const embeddings = plan(samples, 0).map((chunk) => {
      const shares = sharesOf(chunk.first / RATE, chunk.last / RATE, stretch, voices);
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
