import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SIZE = 192;

/** The lines of a golden of FunASR's speakers: `clusters.jsonl`, `segments.jsonl`. */
export function goldenLines<T>(name: string): T[] {
  return jsonLines(fileURLToPath(new URL(`../golden/spk/${name}`, import.meta.url)));
}

export function jsonLines<T>(path: string): T[] {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as T);
}

/** Embeddings [N, 192] from base64. */
export function embeddingsFrom(base64: string): Float32Array[] {
  const bytes = new Uint8Array(Buffer.from(base64, "base64"));
  const values = new Float32Array(bytes.buffer);
  return Array.from({ length: values.length / SIZE }, (_, i) => values.slice(i * SIZE, (i + 1) * SIZE));
}

/** A made conversation: what a speaker model would say of each window, and who speaks. */
export interface Talk {
  readonly embeddings: Float32Array[];
  readonly truth: number[];
}

export interface TalkOptions {
  readonly voices: number;
  readonly windows: number;
  readonly seed: number;
  /** Mean cosine of two windows of one voice, and of two voices. */
  readonly within?: number;
  readonly between?: number;
  /** Share of a voice's spread that is one of two moods, kept for a while. */
  readonly moods?: number;
  /** Share of a turn's last windows in which the next voice is heard too. */
  readonly mixed?: number;
}

/** Turns of 1 to 6 windows in embeddings of a length of 3 to 30. */
export function talk(options: TalkOptions): Talk {
  const { voices, windows, seed, within = 0.7, between = 0.1, moods = 0, mixed = 0 } = options;
  const random = randomNumbers(seed);
  const direction = () => {
    const vector = Float64Array.from({ length: SIZE }, () => normal(random));
    const length = Math.hypot(...vector);
    return vector.map((value) => value / length);
  };
  const mix = (...parts: (readonly [number, Float64Array])[]) =>
    Float64Array.from({ length: SIZE }, (_, i) => parts.reduce((sum, [share, vector]) => sum + share * vector[i], 0));
  const common = direction();
  const shared = Math.min(0.95, between / within);
  const people = Array.from({ length: voices }, () => ({
    centre: mix([Math.sqrt(shared), common], [Math.sqrt(1 - shared), direction()]),
    moods: [direction(), direction()],
    mood: 0,
  }));
  const spread = 1 / within - 1;
  const truth: number[] = [];
  const embeddings: Float32Array[] = [];
  let speaker = Math.floor(random() * voices);
  while (truth.length < windows) {
    speaker = voices === 1 ? 0 : (speaker + 1 + Math.floor(random() * (voices - 1))) % voices;
    const person = people[speaker];
    if (random() < 0.3) person.mood = 1 - person.mood;
    const length = Math.min(1 + Math.floor(random() * 6), windows - truth.length);
    for (let i = 0; i < length; i++) {
      const noise = Math.sqrt(spread * (1 - moods) * (0.6 + 0.8 * random()));
      let voice = mix([1, person.centre], [noise, direction()], [Math.sqrt(spread * moods), person.moods[person.mood]]);
      if (i === length - 1 && random() < mixed) {
        voice = mix([0.65, voice], [0.35, people[(speaker + 1) % voices].centre]);
      }
      const loudness = 3 + 27 * random();
      embeddings.push(Float32Array.from(voice, (value) => value * loudness));
      truth.push(speaker);
    }
  }
  return { embeddings, truth };
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** mulberry32 by Tommy Ettinger (public domain). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
