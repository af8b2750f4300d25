import { type HeardSegment, span, toMilliseconds } from "../heard.ts";
import { type Stretch, stretchesOf, type TalkShare, talkShares } from "../speakers.ts";
import { shares } from "./figures.ts";

/** What somebody says in a recording. */
export interface SpeakerFigures extends TalkShare {
  /** Runs of speech that nobody else begins to speak in. */
  readonly turns: number;
  /** Seconds spoken in the longest turn, pauses not counted. */
  readonly longest: number;
  /** Turns that begin before another's speech has ended, or less than 0.2 s after. */
  readonly interruptions: number;
  /** Seconds of talk by emotion, the most first. */
  readonly emotions: Readonly<Record<string, number>>;
  /** When they speak. */
  readonly stretches: readonly Pick<Stretch, "start" | "end">[];
}

/**
 * Where people take turns they leave 0.2 s on average, in every language looked at: who begins sooner did not wait. Speech
 * of two at once is one voice's here, so true interruptions are seldom told from quick answers in another way.
 *
 * @see Stivers et al., "Universals and cultural variation in turn-taking in conversation", PNAS 106 (2009)
 */
const USUAL_GAP = 0.2;

/** Each speaker's figures, by first appearance; empty where nobody is known to speak. */
export function speakerFigures(segments: readonly HeardSegment[]): SpeakerFigures[] {
  const said = segments.flatMap((segment) => {
    return stretchesOf(segment).map((stretch) => ({ ...stretch, emotion: segment.emotion }));
  });
  const turns = turnsOf(said);
  return talkShares(segments).map((share) => {
    const own = said.filter(({ speaker }) => speaker === share.speaker);
    const ownTurns = turns.filter(({ speaker }) => speaker === share.speaker);
    const emotions = new Map<string, number>();
    for (const { emotion, start, end } of own) emotions.set(emotion, (emotions.get(emotion) ?? 0) + end - start);
    const times = [...emotions].map(([name, seconds]) => [name, toMilliseconds(seconds)] as const);
    return {
      ...share,
      turns: ownTurns.length,
      longest: toMilliseconds(Math.max(...ownTurns.map(({ seconds }) => seconds))),
      interruptions: ownTurns.filter(({ interrupts }) => interrupts).length,
      emotions: Object.fromEntries(times.sort(([, a], [, b]) => b - a)),
      stretches: own.map(({ start, end }) => ({ start, end })),
    };
  });
}

function turnsOf(said: readonly Stretch[]): { speaker: string; seconds: number; interrupts: boolean }[] {
  const turns: { speaker: string; seconds: number; interrupts: boolean }[] = [];
  const ends = new Map<string, number>();
  for (const { speaker, start, end } of said) {
    const last = turns.at(-1);
    if (last?.speaker === speaker) last.seconds += end - start;
    else {
      const others = [...ends].filter(([name]) => name !== speaker);
      const interrupts = others.some(([, heard]) => toMilliseconds(start - heard) < USUAL_GAP);
      turns.push({ speaker, seconds: end - start, interrupts });
    }
    ends.set(speaker, end);
  }
  return turns;
}

export const SPEAKER_HEAD = ["Speaker", "Talk", "Share", "Turns", "Longest turn", "Interruptions", "Emotions"] as const;

/** A cell for each column of {@link SPEAKER_HEAD}. */
export function speakerRow({ speaker, seconds, share, longest, emotions, ...counts }: SpeakerFigures): string[] {
  const { turns, interruptions } = counts;
  const percent = `${Math.round(100 * share)} %`;
  const numbers = [String(turns), span(longest), String(interruptions)];
  return [speaker, span(seconds), percent, ...numbers, seconds > 0 ? shares(emotions, seconds) : ""];
}
