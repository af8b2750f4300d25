/**
 * What it costs in accuracy to hear fewer windows: the share of the time of made conversations that is given to another
 * speaker, by how many seconds a window of 1.5 s speaks for at most. Prints a table in Markdown.
 *
 *     npx tsx scripts/study-windows.ts
 */
import { scoreRecording } from "../src/eval/diarization.ts";
import { RATE } from "../src/speakers/chunks.ts";
import { Diarizer } from "../src/speakers/diarizer.ts";
import { randomNumbers } from "../test/support/speakers.ts";
import { conversation, type Kind, model, type Said } from "./madeTalk.ts";

const TIMES = 4;
const KINDS: readonly Kind[] = [
  [0.6, 0.2, 0.2],
  [0.75, 0.2, 0.2],
  [0.85, 0.3, 0.3],
  [0.5, 0.15, 0.2],
  [0.9, 0.1, 0.2],
];
const PAUSE = 0.5;

/** Samples that say whose they are: 1 and up, and half more in the second mood. */
function soundOf(stretch: readonly Said[], mood: number): Float32Array {
  const seconds = stretch.reduce((sum, [, length]) => sum + length, 0);
  const pcm = new Float32Array(Math.round(seconds * RATE));
  let at = 0;
  for (const [voice, length] of stretch) {
    pcm.fill(voice + 1 + mood / 2, Math.round(at * RATE), Math.round((at + length) * RATE));
    at += length;
  }
  return pcm;
}

interface Sums {
  wrong: number;
  seconds: number;
  windows: number;
}

async function judge(
  sums: Sums,
  share: number,
  voices: number,
  kind: Kind,
  stretches: readonly Said[][],
  seed: number,
) {
  const random = randomNumbers(seed);
  const say = model(voices, kind, random);
  const diarizer = new Diarizer(
    async (windows) => {
      sums.windows += windows.length;
      return windows.map((window) => {
        const spoken = window.filter((x, i) => x > 0 && i % 40 === 0);
        const shares = Array.from({ length: voices }, (_, voice) => {
          return spoken.filter((x) => Math.floor(x) === voice + 1).length / spoken.length;
        });
        return say(shares, Number(spoken[0] % 1 > 0));
      });
    },
    { share },
  );
  const reference: { speaker: string; start: number; end: number }[] = [];
  let at = 0;
  for (const stretch of stretches) {
    const pcm = soundOf(stretch, Number(random() < 0.5));
    const startMs = Math.round(at * 1000);
    for (const [voice, seconds] of stretch) {
      reference.push({ speaker: String(voice), start: at, end: at + seconds });
      at += seconds;
    }
    await diarizer.add({ startMs, pcm });
    at += PAUSE;
  }
  const { turns } = await diarizer.finish();
  const said = turns.map(({ speaker, start, end }) => ({ speaker: String(speaker), start, end }));
  const { errors } = scoreRecording("made", reference, said, [{ collar: 0, overlap: true }]);
  sums.wrong += errors[0].confusion + errors[0].missed;
  sums.seconds += reference.reduce((sum, { start, end }) => sum + end - start, 0);
}

console.log("| a window speaks for up to | wrong or missed time | windows a second of speech |\n|---|---|---|");
for (const share of [1.5, 1.75, 2, 2.5, 3]) {
  const sums: Sums = { wrong: 0, seconds: 0, windows: 0 };
  for (const turns of [1, 3]) {
    for (const seconds of [25, 60, 150]) {
      for (const voices of [1, 2, 3, 4]) {
        for (const kind of KINDS) {
          for (let time = 0; time < TIMES; time++) {
            const seed = time * 131 + voices * 17 + seconds * 3 + turns;
            const stretches = conversation(voices, seconds, randomNumbers(seed), turns);
            await judge(sums, share, voices, kind, stretches, seed + 1);
          }
        }
      }
    }
  }
  const wrong = ((100 * sums.wrong) / sums.seconds).toFixed(2);
  console.log(`| ${share} s | ${wrong} % | ${(sums.windows / sums.seconds).toFixed(3)} |`);
}
