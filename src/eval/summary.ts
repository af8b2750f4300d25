import { type Edits, errorRate, sumEdits } from "./align.ts";
import type { ClipResult, Heard } from "./evaluate.ts";
import type { Unit } from "./normalise.ts";

/** The errors of the clips of one language, or of all. */
export interface Score {
  /** Of the reference; "all" for the sum over languages. */
  readonly language: string;
  readonly clips: number;
  /** What `edits` counts; "mixed" where some languages are counted in characters and others in words. */
  readonly unit: Unit | "mixed";
  readonly edits: Edits;
  /** (S + D + I) / N over all clips together; null where nothing was said. */
  readonly errorRate: number | null;
  readonly characters: Edits;
  /** The same in characters for every language. */
  readonly characterErrorRate: number | null;
}

/** Clips with the right tag, of those where the data set has one. */
export interface Accuracy {
  readonly right: number;
  readonly of: number;
}

export interface Summary {
  /** By language in the order of the data set, then all. */
  readonly scores: readonly Score[];
  readonly language: Accuracy;
  readonly emotion: Accuracy;
  readonly event: Accuracy;
  /** Seconds of sound. */
  readonly sound: number;
  /** Seconds of work, summed over clips; `reading` (files to samples) is not in the total. */
  readonly seconds: Readonly<Record<"features" | "encode" | "decode" | "total" | "reading", number>>;
  /** Real-time factor: seconds.total / sound. null without sound. */
  readonly rtf: number | null;
}

/** Sums over clips, not means of their rates: a long clip counts for more than a short one (micro-average). */
export function summarise(results: readonly ClipResult[]): Summary {
  const languages = [...new Set(results.map(({ expected }) => expected.language))];
  const of = (language: string) => results.filter(({ expected }) => expected.language === language);
  const total = (number: (result: ClipResult) => number) => results.reduce((sum, result) => sum + number(result), 0);
  const sound = total(({ duration }) => duration);
  const seconds = {
    features: total(({ timings }) => timings.features) / 1000,
    encode: total(({ timings }) => timings.encode) / 1000,
    decode: total(({ timings }) => timings.decode) / 1000,
    total: total(({ timings }) => timings.total) / 1000,
    reading: total(({ reading }) => reading) / 1000,
  };
  return {
    scores: [...languages.map((language) => score(language, of(language))), score("all", results)],
    language: accuracy(results, "language"),
    emotion: accuracy(results, "emotion"),
    event: accuracy(results, "event"),
    sound,
    seconds,
    rtf: sound > 0 ? seconds.total / sound : null,
  };
}

function score(language: string, results: readonly ClipResult[]): Score {
  const edits = sumEdits(results.map((result) => result.edits));
  const characters = sumEdits(results.map((result) => result.characters));
  const units = new Set(results.map(({ unit }) => unit));
  const [unit = "mixed"] = units;
  return {
    language,
    clips: results.length,
    unit: units.size === 1 ? unit : "mixed",
    edits,
    errorRate: errorRate(edits),
    characters,
    characterErrorRate: errorRate(characters),
  };
}

function accuracy(results: readonly ClipResult[], tag: Exclude<keyof Heard, "text">): Accuracy {
  const tagged = results.filter(({ expected }) => expected[tag] !== undefined);
  return {
    right: tagged.filter(({ expected, got }) => expected[tag] === got[tag]).length,
    of: tagged.length,
  };
}
