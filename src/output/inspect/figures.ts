import { type Heard, plainText, span, toMilliseconds } from "../heard.ts";
import { gaps } from "./find.ts";
import { countUnits } from "./units.ts";

/** How long what went on, in seconds; `talk + sound + silence` is the duration. */
export interface Figures {
  readonly duration: number;
  /** Segments with words. */
  readonly talk: number;
  /** Segments without, music or applause say. */
  readonly sound: number;
  /** Times without a segment. */
  readonly silence: number;
  /** Talk in Chinese, Japanese and Korean; `rate` is characters per second, null if there is none. */
  readonly characters: Pace;
  /** Talk in other scripts; `rate` is words per minute. */
  readonly words: Pace;
  /** Seconds of talk by emotion, and by language; the most first. */
  readonly emotions: Readonly<Record<string, number>>;
  readonly languages: Readonly<Record<string, number>>;
}

export interface Pace {
  readonly count: number;
  readonly seconds: number;
  readonly rate: number | null;
}

const NONE: Figures = {
  ...{ duration: 0, talk: 0, sound: 0, silence: 0, emotions: {}, languages: {} },
  characters: { count: 0, seconds: 0, rate: null },
  words: { count: 0, seconds: 0, rate: null },
};

/** The figures of a recording. What two segments have in common is counted once, for the first. */
export function figuresOf({ segments, duration }: Heard): Figures {
  let heard = 0;
  const parts = segments.map((segment): Figures => {
    const seconds = Math.max(0, Math.min(segment.end, duration) - Math.max(segment.start, heard));
    heard = Math.max(heard, segment.end);
    const { unit, count } = countUnits(plainText(segment.raw));
    if (count === 0) return { ...NONE, duration: seconds, sound: seconds };
    const [emotions, languages] = [{ [segment.emotion]: seconds }, { [segment.language]: seconds }];
    return { ...NONE, duration: seconds, talk: seconds, emotions, languages, [unit]: { count, seconds, rate: null } };
  });
  const silences = gaps(segments, duration).map(({ start, end }): Figures => {
    return { ...NONE, duration: end - start, silence: end - start };
  });
  return sumFigures([...parts, ...silences]);
}

/** The figures of several recordings as of one. */
export function sumFigures(list: readonly Figures[]): Figures {
  const sum = (of: (figures: Figures) => number) =>
    toMilliseconds(list.reduce((total, figures) => total + of(figures), 0));
  const pace = (of: (figures: Figures) => Pace, per: number): Pace => {
    const [count, seconds] = [sum((figures) => of(figures).count), sum((figures) => of(figures).seconds)];
    return { count, seconds, rate: seconds > 0 ? toMilliseconds((per * count) / seconds) : null };
  };
  const shares = (of: (figures: Figures) => Readonly<Record<string, number>>): Record<string, number> => {
    const names = new Set(list.flatMap((figures) => Object.keys(of(figures))));
    const times = [...names].map((name) => [name, sum((figures) => of(figures)[name] ?? 0)] as const);
    return Object.fromEntries(times.sort(([, a], [, b]) => b - a));
  };
  return {
    duration: sum(({ duration }) => duration),
    talk: sum(({ talk }) => talk),
    sound: sum(({ sound }) => sound),
    silence: sum(({ silence }) => silence),
    characters: pace(({ characters }) => characters, 1),
    words: pace(({ words }) => words, 60),
    emotions: shares(({ emotions }) => emotions),
    languages: shares(({ languages }) => languages),
  };
}

/** Name, value and what is added in small letters, of each figure there is. */
export function figureRows({ duration, talk, sound, silence, characters, words }: Figures): string[][] {
  const share = (seconds: number) => (duration > 0 ? `(${Math.round((100 * seconds) / duration)} %)` : "");
  return [
    ["Duration", span(duration), ""],
    ["Talk", span(talk), share(talk)],
    ["Other sound", span(sound), share(sound)],
    ["Silence", span(silence), share(silence)],
    ...(characters.rate === null ? [] : [["Speech rate", characters.rate.toFixed(1), "characters/s"]]),
    ...(words.rate === null ? [] : [["Speech rate", words.rate.toFixed(0), "words/min"]]),
  ];
}

/** `happy 60 %, neutral 40 %` */
export function shares(times: Readonly<Record<string, number>>, talk: number): string {
  const named = Object.entries(times).map(([name, time]) => `${name} ${Math.round((100 * time) / talk)} %`);
  return named.join(", ");
}
