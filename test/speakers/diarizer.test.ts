import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { SenseVoiceError } from "../../src/error.ts";
import { RATE, WINDOW } from "../../src/speakers/chunks.ts";
import { Diarizer, type DiarizerOptions, type Embed } from "../../src/speakers/diarizer.ts";
import { LiveDiarizer } from "../../src/speakers/liveDiarizer.ts";
import type { Turn } from "../../src/speakers/turn.ts";
import { cosine } from "../../src/speakers/vectors.ts";
import { randomNumbers, talk } from "../support/speakers.ts";

/**
 * Voices whose samples lie between their number + 1 and the next; a window has the mean of its samples' voices, and noise that
 * depends on the samples.
 */
const { embeddings, truth } = talk({ voices: 4, windows: 400, seed: 3, within: 0.95, between: 0.1 });
const voices = [0, 1, 2, 3].map((voice) =>
  embeddings[truth.indexOf(voice)].map((value, _, all) => value / Math.hypot(...all)),
);

function speaker(calls: number[] = []): Embed {
  return async (windows) => {
    calls.push(windows.length);
    return windows.map((pcm) => {
      expect(pcm.length).toBe(WINDOW);
      const heard = voices.map(() => 0);
      let sum = 0;
      for (let i = 0; i < pcm.length; i += 8) {
        if (pcm[i] > 0) heard[Math.floor(pcm[i]) - 1]++;
        sum += pcm[i] * i;
      }
      const random = randomNumbers(Math.round(sum));
      const total = heard.reduce((all, count) => all + count, 0);
      return Float32Array.from({ length: 192 }, (_, i) => {
        const mean = voices.reduce((sum, voice, own) => sum + (heard[own] / total) * voice[i], 0);
        return 5 * (mean + 0.06 * (random() - 0.5) * Math.sqrt(12));
      });
    });
  };
}

function samplesOf(voice: number, seconds: number, noise: () => number): number[] {
  return Array.from({ length: Math.round(seconds * RATE) }, () => voice + 1 + 0.9 * noise());
}

interface Said {
  readonly voice: number;
  readonly seconds: number;
}

/** Stretches of speech with pauses of 0.4 s between; who says what for how long in each. */
async function diarize(stretches: readonly (readonly Said[])[], options?: DiarizerOptions, calls?: number[]) {
  const diarizer = new Diarizer(speaker(calls), options);
  const truth: { start: number; end: number; voice: number }[] = [];
  const noise = randomNumbers(7);
  let at = 0;
  for (const stretch of stretches) {
    const startMs = Math.round(at * 1000);
    for (const { voice, seconds } of stretch) {
      truth.push({ start: at, end: at + seconds, voice });
      at += seconds;
    }
    const pcm = Float32Array.from(stretch.flatMap(({ voice, seconds }) => samplesOf(voice, seconds, noise)));
    await diarizer.add({ startMs, pcm });
    at += 0.4;
  }
  return { ...(await diarizer.finish()), truth };
}

function conversation(count: number, seconds: number, seed: number): Said[][] {
  const random = randomNumbers(seed);
  const stretches: Said[][] = [];
  let voice = 0;
  for (let total = 0; total < seconds; ) {
    const stretch: Said[] = [];
    for (let i = 0; i < 1 + Math.floor(random() * 3); i++) {
      voice = (voice + 1 + Math.floor(random() * (count - 1))) % count;
      stretch.push({ voice, seconds: Math.round(10 * (1 + 7 * random())) / 10 });
    }
    stretches.push(stretch);
    total += stretch.reduce((sum, said) => sum + said.seconds, 0);
  }
  return stretches;
}

/** Share of the time in which the speaker is not the one who has most of that voice. */
function wrongShare({ turns, truth }: Pick<Awaited<ReturnType<typeof diarize>>, "turns" | "truth">): number {
  const voiceAt = (time: number) => truth.find(({ start, end }) => time >= start && time < end)?.voice;
  const speakerAt = (time: number) => turns.find(({ start, end }) => time >= start && time < end)?.speaker;
  const counts = new Map<string, number>();
  let total = 0;
  for (let time = 0.005; time < truth[truth.length - 1].end; time += 0.01) {
    const voice = voiceAt(time);
    if (voice === undefined) continue;
    total++;
    const key = `${voice} ${speakerAt(time)}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const bestOf = new Map<string, number>();
  for (const [key, count] of counts) {
    const [voice] = key.split(" ");
    bestOf.set(voice, Math.max(bestOf.get(voice) ?? 0, count));
  }
  return 1 - [...bestOf.values()].reduce((sum, count) => sum + count, 0) / total;
}

describe("LiveDiarizer", () => {
  test("the turns of each stretch as it ends, with numbers that stay", async () => {
    for (const count of [1, 2, 3]) {
      const stretches =
        count === 1 ? [[{ voice: 0, seconds: 9 }], [{ voice: 0, seconds: 4 }]] : conversation(count, 90, 5);
      const live = new LiveDiarizer(speaker());
      const noise = randomNumbers(7);
      const turns: Turn[] = [];
      const truth: { start: number; end: number; voice: number }[] = [];
      let at = 0;
      for (const stretch of stretches) {
        const startMs = Math.round(at * 1000);
        const pcm = Float32Array.from(stretch.flatMap(({ voice, seconds }) => samplesOf(voice, seconds, noise)));
        for (const { voice, seconds } of stretch) {
          truth.push({ start: at, end: at + seconds, voice });
          at += seconds;
        }
        const heard = await live.add({ startMs, pcm });
        expect(heard.renumbered).toEqual([]);
        expect(heard.turns[0].start).toBeCloseTo(startMs / 1000, 1);
        turns.push(...heard.turns);
        at += 0.4;
      }
      expect(new Set(turns.map((turn) => turn.speaker)).size, `${count} voices`).toBe(count);
      expect(wrongShare({ turns, truth }), `${count} voices`).toBeLessThan(0.08);
      expect(live.centres.length).toBe(count);
    }
    expect(await new LiveDiarizer(speaker()).add({ startMs: 0, pcm: new Float32Array() })).toEqual({
      turns: [],
      renumbered: [],
    });
  });
});

describe("Diarizer", () => {
  test("conversations of 2 to 4 voices in turns of 1 to 8 s", async () => {
    for (const count of [2, 3, 4]) {
      const result = await diarize(conversation(count, 120, count));
      expect(new Set(result.turns.map((turn) => turn.speaker)).size, `${count} voices`).toBe(count);
      expect(wrongShare(result), `${count} voices`).toBeLessThan(0.06);
      expect(result.turns[0].speaker).toBe(0);
      for (const [i, turn] of result.turns.slice(1).entries()) {
        expect(turn.start).toBeGreaterThanOrEqual(result.turns[i].end);
      }
    }
  });

  test("two voices in ten seconds: the reference hears one", async () => {
    const short = [[{ voice: 0, seconds: 4 }], [{ voice: 1, seconds: 3 }], [{ voice: 0, seconds: 3 }]];
    const speakers = (result: Awaited<ReturnType<typeof diarize>>) => result.turns.map((turn) => turn.speaker);
    expect(speakers(await diarize(short))).toEqual([0, 1, 0]);
    expect(speakers(await diarize(short, { speakers: 2 }))).toEqual([0, 1, 0]);
    expect(speakers(await diarize(short, { speakers: 1 }))).toEqual([0, 0, 0]);
    expect(speakers(await diarize(short, { mode: "funasr", speakers: 2 }))).toEqual([0, 0, 0]);
  });

  test("a change within a stretch is found to 0.75 s", async () => {
    for (const seconds of [2.2, 2.6, 3.1, 3.7]) {
      const { turns } = await diarize([
        [
          { voice: 0, seconds },
          { voice: 1, seconds: 5 - seconds + 1 },
        ],
      ]);
      expect(turns.map((turn) => turn.speaker)).toEqual([0, 1]);
      expect(Math.abs(turns[0].end - seconds)).toBeLessThanOrEqual(0.76);
    }
  });

  test("one voice costs one window in 1.5 s, half of the reference's; a change a window more", async () => {
    const monologue = Array.from({ length: 20 }, () => [{ voice: 0, seconds: 9 }]);
    const count = async (stretches: Said[][], options?: DiarizerOptions) => {
      const calls: number[] = [];
      await diarize(stretches, options, calls);
      return calls.reduce((sum, windows) => sum + windows, 0);
    };
    expect(await count(monologue)).toBeLessThanOrEqual(20 * 6 + 5); // now and then one differs by chance
    expect(await count(monologue, { mode: "funasr" })).toBe(20 * 11);
    const changes = Array.from({ length: 20 }, () => [
      { voice: 0, seconds: 4.5 },
      { voice: 1, seconds: 4.5 },
    ]);
    expect(await count(changes)).toBeGreaterThanOrEqual(20 * 7);
    expect(await count(changes)).toBeLessThanOrEqual(20 * 7 + 5);
  });

  test("from five minutes of speech on a window speaks for up to 2.5 s", async () => {
    const count = async (stretches: number) => {
      const calls: number[] = [];
      const monologue = Array.from({ length: stretches }, () => [{ voice: 0, seconds: 10 }]);
      await diarize(monologue, {}, calls);
      return calls.reduce((sum, windows) => sum + windows, 0);
    };
    const [early, all] = [await count(30), await count(60)];
    expect(early).toBeGreaterThanOrEqual(30 * 5);
    expect(early).toBeLessThanOrEqual(30 * 5 + 8);
    expect(all - early).toBeGreaterThanOrEqual(30 * 4);
    expect(all - early).toBeLessThanOrEqual(30 * 4 + 8);
  });

  test("windows of many short stretches are computed together, and no more than 32 at once", async () => {
    const calls: number[] = [];
    await diarize(
      Array.from({ length: 100 }, (_, i) => [{ voice: i % 2, seconds: 1 }]),
      {},
      calls,
    );
    expect(calls).toEqual([32, 32, 32, 4]);
  });

  test("no more than 96 s of sound is kept, of any length", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const diarizer = new Diarizer(async (windows) => windows.map(() => new Float32Array(192).fill(1)));
    const held = () => {
      collect();
      return process.memoryUsage().arrayBuffers / 2 ** 20;
    };
    const before = held();
    for (let i = 0; i < 200; i++) {
      const pcm = new Float32Array(10 * RATE).fill(1);
      await diarizer.add({ startMs: i * 11_000, pcm });
    }
    expect(held() - before).toBeLessThan(16); // of 122 MB
    const { turns, centres } = await diarizer.finish();
    expect(turns.length).toBe(200);
    expect(centres.length).toBe(1);
  });

  test("the same sound has the same answer, in both modes; centres are those of the turns' speakers", async () => {
    const stretches = conversation(3, 90, 11);
    for (const mode of ["default", "funasr"] as const) {
      const first = await diarize(stretches, { mode });
      expect(await diarize(stretches, { mode })).toEqual(first);
      expect(first.centres.length).toBe(3);
      const [opening] = stretches[0];
      expect(cosine(first.centres[0], voices[opening.voice])).toBeGreaterThan(0.95);
    }
  });

  test("stretches need not be waited for one by one", async () => {
    const add = async (wait: boolean) => {
      const diarizer = new Diarizer(speaker());
      for (let i = 0; i < 50; i++) {
        const pcm = new Float32Array(3 * RATE).fill(1 + (i % 2));
        const added = diarizer.add({ startMs: i * 4000, pcm });
        if (wait) await added;
        if (wait) pcm.fill(0); // may be used again by then
      }
      return diarizer.finish();
    };
    expect(await add(false)).toEqual(await add(true));
  });

  test("nobody speaks, an empty stretch, an error of the model", async () => {
    expect((await diarize([])).turns).toEqual([]);
    const empty = new Diarizer(speaker());
    await empty.add({ startMs: 0, pcm: new Float32Array() });
    expect(await empty.finish()).toEqual({ turns: [], centres: [] });
    const broken = new Diarizer(async () => {
      throw new SenseVoiceError("device lost");
    });
    await broken.add({ startMs: 0, pcm: new Float32Array(RATE) });
    await expect(broken.finish()).rejects.toThrow("device lost");
  });

  test("a number of speakers that there cannot be is refused", () => {
    for (const speakers of [0, -1, 1.5, Number.NaN]) {
      expect(() => new Diarizer(speaker(), { speakers })).toThrow(/speakers: expected a whole number from 1, got/);
    }
  });
});
