import type { Segment } from "../speech/segment.ts";
import { type Atom, atomsOf, type Break } from "./atoms.ts";
import { milliseconds } from "./clock.ts";
import type { Cue, TimedText } from "./cue.ts";
import { singleLine, textOf, type Writer } from "./format.ts";
import type { Marks } from "./marks.ts";
import { speakerPrefix } from "./speakers.ts";
import { graphemes, LINE_WIDTH, readingSeconds, SPACE_WIDTH, textWidth } from "./width.ts";

/** Milliseconds that a cue stands: at least, if the next one leaves room; at most; and at least in any case. */
const SHORTEST = 1000;
const LONGEST = 7000;
const VISIBLE = 10;

/** Characters of a speaker's name in front of a cue. */
const LONGEST_LABEL = 16;

/** What a break costs between two cues, and between two lines in parts of a line's width of imbalance. */
const CUE_BREAK: Record<Break, number> = { sentence: 0, clause: 3, word: 6, character: 9, cut: 30 };
const LINE_BREAK: Record<Break, number> = { sentence: 0, clause: 0, word: 0.2, character: 0.5, cut: 2 };
/** What a cue costs that is too short to read, so that there are as few as can be; and a full one, by the square. */
const SHORT_CUE = 1000;
const FULL_CUE = 6;

/** A cue whose end depends on what comes next. Milliseconds. */
interface Draft {
  readonly start: number;
  /** Of its last word. */
  readonly end: number;
  readonly readingTime: number;
  readonly lines: readonly (readonly TimedText[])[];
  readonly timed: boolean;
  readonly speaker?: string;
}

/**
 * Segments to cues, as they come. A cue has one or two lines of at most 42 narrow or 18 wide characters. It starts with
 * its first word, or 10 ms after the start of the cue before it if that is later. It stands until its last word has ended,
 * 1 s have passed and there was time to read it, but no longer than 7 s, the start of the next cue and the end of the
 * recording. Words are cut only if they are wider than a line, CJK words at any character. No cue has
 * words of two speakers.
 */
export class CueStream {
  readonly #show: (segment: Segment) => string;
  readonly #labels: boolean;
  #held: Draft | undefined;
  #speaker: string | undefined;

  /** @param labels whether the first cue of a speaker after another begins with `S1: ` */
  constructor(marks?: Marks, labels = false) {
    this.#show = textOf(marks);
    this.#labels = labels;
  }

  /** The cues that are finished: the last one of the segment before, and all but the last one of this. */
  add(segment: Segment): Cue[] {
    const finished: Cue[] = [];
    for (const draft of this.#drafts(segment)) {
      const start = Math.max(draft.start, this.#held ? this.#held.start + VISIBLE : 0);
      if (this.#held) finished.push(finish(this.#held, start));
      this.#held = { ...draft, start };
    }
    return finished;
  }

  /** @param duration of the recording in seconds */
  end(duration = Infinity): Cue[] {
    const held = this.#held;
    this.#held = undefined;
    return held ? [finish(held, milliseconds(duration))] : [];
  }

  #drafts(segment: Segment): Draft[] {
    const parts = bySpeaker(atomsOf(singleLine(this.#show(segment)), segment));
    const timed = (segment.words ?? []).length > 0;
    return parts.flatMap((atoms, i) => {
      const [{ speaker }] = atoms;
      const labelled = this.#labels && speaker !== undefined && speaker !== this.#speaker;
      this.#speaker = speaker;
      const end = parts[i + 1]?.[0].start ?? milliseconds(segment.end);
      return drafts(labelled ? withLabel(atoms, speaker) : atoms, end).map((draft) => ({ ...draft, timed, speaker }));
    });
  }
}

/** Writes each cue when it is finished. */
export function cueWriter(marks: Marks | undefined, head: string, write: (cue: Cue) => string, labels = false): Writer {
  const cues = new CueStream(marks, labels);
  return {
    head: () => head,
    add: (segment) => cues.add(segment).map(write).join(""),
    end: ({ duration }) => cues.end(duration).map(write).join(""),
  };
}

/** The cues of a recording. */
export function cuesOf(segments: readonly Segment[], options: { marks?: Marks; duration?: number } = {}): Cue[] {
  const stream = new CueStream(options.marks);
  return [...segments.flatMap((segment) => stream.add(segment)), ...stream.end(options.duration)];
}

function finish({ start, end, readingTime, lines, timed, speaker }: Draft, room: number): Cue {
  const wanted = Math.min(Math.max(end, start + SHORTEST, start + readingTime), start + LONGEST, room);
  return { start: start / 1000, end: Math.max(wanted, start + VISIBLE) / 1000, lines, timed, speaker };
}

/** Runs of atoms that one speaker says. */
function bySpeaker(atoms: readonly Atom[]): Atom[][] {
  const runs: Atom[][] = [];
  for (const atom of atoms) {
    if (runs.length > 0 && runs[runs.length - 1][0].speaker === atom.speaker) runs[runs.length - 1].push(atom);
    else runs.push([atom]);
  }
  return runs;
}

/** With `S1:` in front, which stays with the first word and is shown for the time it takes to read. */
function withLabel([first, ...rest]: readonly Atom[], speaker: string): Atom[] {
  const name = graphemes(speakerPrefix(speaker).slice(0, -2));
  const text = `${name.length > LONGEST_LABEL ? `${name.slice(0, LONGEST_LABEL - 1).join("")}…` : name.join("")}:`;
  const label: Atom = { ...first, text, width: textWidth(text), end: first.start };
  return [label, { ...first, spaced: true, before: "cut" }, ...rest];
}

/** @param end of what is said, in milliseconds */
function drafts(atoms: readonly Atom[], end: number): Omit<Draft, "timed">[] {
  const width = widths(atoms);
  return divide(atoms, width, end).map(([from, to]) => ({
    start: atoms[from].start,
    end: atoms[to - 1].end,
    readingTime: Math.round(1000 * readingSeconds(width(from, to))),
    lines: linesOf(atoms, width, from, to).map(([first, end]) => atoms.slice(first, end).map(timedText)),
  }));
}

function timedText({ text, spaced, start, end }: Atom, index: number): TimedText {
  return { text: spaced && index > 0 ? ` ${text}` : text, start: start / 1000, end: end / 1000 };
}

/** Atoms from the first up to, but not with, the second. */
type Range = readonly [from: number, to: number];
type Width = (from: number, to: number) => number;

/** The width of a range on one line. */
function widths(atoms: readonly Atom[]): Width {
  const before = [0];
  for (const { width, spaced } of atoms) before.push(before[before.length - 1] + width + (spaced ? SPACE_WIDTH : 0));
  return (from, to) => before[to] - before[from] - (atoms[from]?.spaced ? SPACE_WIDTH : 0);
}

/**
 * The cheapest division into cues of two lines and 7 s; an atom that lasts longer is a cue of its own. Long pauses and the
 * ends of sentences and clauses are good places; cues of less than a second are joined with a neighbour if that fits.
 */
function divide(atoms: readonly Atom[], width: Width, segmentEnd: number): Range[] {
  const best = [{ cost: 0, from: 0 }];
  for (let to = 1; to <= atoms.length; to++) {
    const next = atoms[to];
    const breakCost = next ? CUE_BREAK[next.before] - pauseGain(next.start - atoms[to - 1].end) : 0;
    let cheapest = { cost: Infinity, from: to - 1 };
    for (let from = to - 1; from >= 0; from--) {
      const { start } = atoms[from];
      if (from < to - 1 && (atoms[to - 1].end - start > LONGEST || !fits(width, from, to))) break;
      const isShort = (next?.start ?? segmentEnd) - start < SHORTEST;
      const fullness = width(from, to) / (2 * LINE_WIDTH);
      const cost = best[from].cost + breakCost + (isShort ? SHORT_CUE : 0) + FULL_CUE * fullness ** 2;
      if (cost < cheapest.cost) cheapest = { cost, from };
    }
    best.push(cheapest);
  }
  const cues: Range[] = [];
  for (let to = atoms.length; to > 0; to = best[to].from) cues.push([best[to].from, to]);
  return cues.reverse();
}

/** A pause counts from 0.3 s; two seconds more make any word's end the best place. */
function pauseGain(pause: number): number {
  return 6 * Math.min(Math.max(pause / 1000 - 0.3, 0), 2);
}

function fits(width: Width, from: number, to: number): boolean {
  let second = from + 1;
  while (second < to && width(from, second + 1) <= LINE_WIDTH) second++;
  return width(second, to) <= LINE_WIDTH;
}

/** One line if it fits, else the two that are most alike in width, broken at a good place. */
function linesOf(atoms: readonly Atom[], width: Width, from: number, to: number): Range[] {
  if (width(from, to) <= LINE_WIDTH) return [[from, to]];
  let best = { cost: Infinity, at: from + 1 };
  for (let at = from + 1; at < to; at++) {
    const [first, second] = [width(from, at), width(at, to)];
    if (Math.max(first, second) > LINE_WIDTH) continue;
    const cost = Math.abs(first - second) / LINE_WIDTH + LINE_BREAK[atoms[at].before];
    if (cost < best.cost) best = { cost, at };
  }
  return [
    [from, best.at],
    [best.at, to],
  ];
}
