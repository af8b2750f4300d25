import { assign } from "./assignment.ts";
import type { Region, SpeakerTurn } from "./rttm.ts";

/** How the diarization error rate is counted. */
export interface Scoring {
  /** Seconds on each side of the start and the end of the reference's turns that are not scored. */
  readonly collar: number;
  /** Whether time is scored in which several speak in the reference. */
  readonly overlap: boolean;
}

/** Seconds, each counted once for every speaker concerned. */
export interface SpeakerErrors {
  /** Speech in the reference. */
  readonly scored: number;
  /** Fewer speak in the hypothesis than in the reference. */
  readonly missed: number;
  /** More speak in the hypothesis than in the reference. */
  readonly falseAlarm: number;
  /** Somebody else speaks in the hypothesis. */
  readonly confusion: number;
}

/** A recording's answer beside what was expected. */
export interface DiarizationResult {
  readonly recording: string;
  /** Speakers of the reference, and of the hypothesis, in what is scored. */
  readonly speakers: { readonly reference: number; readonly hypothesis: number };
  /** As {@link Scoring} after Scoring was asked for. */
  readonly errors: readonly SpeakerErrors[];
  /** The Jaccard error of each speaker of the reference, in [0, 1]. */
  readonly jaccard: Readonly<Record<string, number>>;
}

/** Who speaks from one boundary to the next: indices of the speakers of either side. */
interface Piece extends Region {
  readonly reference: readonly number[];
  readonly hypothesis: readonly number[];
}

/**
 * Compares who speaks when in a recording with what was expected. Turns of one speaker that overlap count as one.
 *
 * Diarization errors as by NIST's md-eval-22: speakers are mapped one to one so that mapped ones speak together for the
 * longest time in all that is scored, collars and overlap included. In each piece of time with R speakers in the
 * reference, H in the hypothesis and C pairs of them mapped to each other
 *
 *   missed += max(R − H, 0), falseAlarm += max(H − R, 0), confusion += min(R, H) − C, scored += R, times its seconds.
 *
 * Jaccard errors as by DIHARD's dscore, without collar: of a speaker with its mapped one (by the least sum of errors)
 * 1 − |both| / |either|, of one that is not mapped 1.
 *
 * @param regions what is scored; default: from the first start to the last end of either side
 * @see NIST, "The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan", section 6
 * @see N. Ryant et al., "The Second DIHARD Diarization Challenge" (2019), section 4.2
 */
export function scoreRecording(
  recording: string,
  reference: readonly SpeakerTurn[],
  hypothesis: readonly SpeakerTurn[],
  scorings: readonly Scoring[],
  regions: readonly Region[] = extent([...reference, ...hypothesis]),
): DiarizationResult {
  const [ref, hyp] = [bySpeaker(reference), bySpeaker(hypothesis)];
  const all = pieces(ref, hyp, regions);
  const both = [...ref.keys()].map((_, i) => {
    return [...hyp.keys()].map((_, j) => total(all, (p) => p.reference.includes(i) && p.hypothesis.includes(j)));
  });
  const mapped = assign(both.map((row) => row.map((seconds) => -seconds)));
  const errors = scorings.map(({ collar, overlap }) => {
    const edges = [...ref.values()].flat().flatMap(({ start, end }) => [start, end]);
    const collars = collar > 0 ? edges.map((time) => ({ start: time - collar, end: time + collar })) : [];
    const scored = pieces(ref, hyp, without(regions, collars));
    return countErrors(overlap ? scored : scored.filter((piece) => piece.reference.length < 2), mapped);
  });
  return { recording, errors, ...jaccardErrors(all, [...ref.keys()], hyp.size, both) };
}

function countErrors(scored: readonly Piece[], mapped: readonly number[]): SpeakerErrors {
  let [all, missed, falseAlarm, confusion] = [0, 0, 0, 0];
  for (const { start, end, reference, hypothesis } of scored) {
    const [seconds, r, h] = [end - start, reference.length, hypothesis.length];
    const correct = reference.filter((speaker) => hypothesis.includes(mapped[speaker])).length;
    all += r * seconds;
    missed += Math.max(r - h, 0) * seconds;
    falseAlarm += Math.max(h - r, 0) * seconds;
    confusion += (Math.min(r, h) - correct) * seconds;
  }
  return { scored: all, missed, falseAlarm, confusion };
}

function jaccardErrors(
  all: readonly Piece[],
  names: readonly string[],
  count: number,
  both: readonly (readonly number[])[],
): Pick<DiarizationResult, "speakers" | "jaccard"> {
  const ref = names.map((_, i) => total(all, ({ reference }) => reference.includes(i)));
  const hyp = Array.from({ length: count }, (_, j) => total(all, ({ hypothesis }) => hypothesis.includes(j)));
  const heard = [...hyp.keys()].filter((j) => hyp[j] > 0);
  const spoken = [...ref.keys()].filter((i) => ref[i] > 0);
  const cost = spoken.map((i) => heard.map((j) => 1 - both[i][j] / (ref[i] + hyp[j] - both[i][j])));
  const mapped = assign(cost);
  return {
    speakers: { reference: spoken.length, hypothesis: heard.length },
    jaccard: Object.fromEntries(spoken.map((i, row) => [names[i], cost[row][mapped[row]] ?? 1])),
  };
}

/** Seconds of the pieces of which something is true. */
function total(all: readonly Piece[], is: (piece: Piece) => boolean): number {
  return all.reduce((sum, piece) => (is(piece) ? sum + piece.end - piece.start : sum), 0);
}

/** The turns of each speaker, by first appearance. Those that overlap are joined; those that touch are not, as in md-eval. */
function bySpeaker(turns: readonly SpeakerTurn[]): Map<string, Region[]> {
  const speakers = new Map<string, { start: number; end: number }[]>();
  for (const { speaker, start, end } of [...turns].sort((a, b) => a.start - b.start)) {
    const own = speakers.get(speaker) ?? [];
    const last = own.at(-1);
    if (last && start < last.end) last.end = Math.max(last.end, end);
    else own.push({ start, end });
    speakers.set(speaker, own);
  }
  return speakers;
}

/** Cuts regions wherever somebody begins or ends to speak. */
function pieces(ref: Map<string, Region[]>, hyp: Map<string, Region[]>, regions: readonly Region[]): Piece[] {
  const events = [...[ref, hyp].entries(), [2, new Map([["", joined(regions)]])] as const]
    .flatMap(([side, speakers]) =>
      [...speakers.values()].flatMap((own, i) => own.map((turn) => ({ side, i, ...turn }))),
    )
    .flatMap(({ side, i, start, end }) => [
      { time: start, side, i, begins: true },
      { time: end, side, i, begins: false },
    ])
    .sort((a, b) => a.time - b.time || Number(a.begins) - Number(b.begins));
  const active = [new Set<number>(), new Set<number>(), new Set<number>()];
  const found: Piece[] = [];
  let last = 0;
  for (const { time, side, i, begins } of events) {
    if (active[2].size > 0 && time > last) {
      found.push({ start: last, end: time, reference: [...active[0]], hypothesis: [...active[1]] });
    }
    last = time;
    if (begins) active[side].add(i);
    else active[side].delete(i);
  }
  return found;
}

function extent(turns: readonly Region[]): Region[] {
  if (turns.length === 0) return [];
  const start = turns.reduce((least, turn) => Math.min(least, turn.start), Infinity);
  return [{ start, end: turns.reduce((most, turn) => Math.max(most, turn.end), 0) }];
}

/** In order, none overlapping or touching the next. */
function joined(regions: readonly Region[]): Region[] {
  const found: { start: number; end: number }[] = [];
  for (const { start, end } of [...regions].sort((a, b) => a.start - b.start)) {
    const last = found.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else found.push({ start, end });
  }
  return found;
}

/** Regions less those of another list. */
function without(regions: readonly Region[], holes: readonly Region[]): Region[] {
  const cuts = joined(holes);
  return joined(regions).flatMap(({ start, end }) => {
    const inside = cuts.filter((cut) => cut.end > start && cut.start < end);
    const starts = [start, ...inside.map((cut) => cut.end)];
    const ends = [...inside.map((cut) => cut.start), end];
    return starts.map((from, i) => ({ start: from, end: ends[i] })).filter((part) => part.end > part.start);
  });
}

/** The sum over recordings: rates of it are of all time together. */
export function sumErrors(all: readonly SpeakerErrors[]): SpeakerErrors {
  const sum = (key: keyof SpeakerErrors) => all.reduce((total, errors) => total + errors[key], 0);
  return {
    scored: sum("scored"),
    missed: sum("missed"),
    falseAlarm: sum("falseAlarm"),
    confusion: sum("confusion"),
  };
}

/** (missed + false alarm + confusion) / scored: may exceed 1. null where nothing is scored, for then it is undefined. */
export function diarizationErrorRate({ scored, missed, falseAlarm, confusion }: SpeakerErrors): number | null {
  return scored > 0 ? (missed + falseAlarm + confusion) / scored : null;
}

/** The mean over the reference's speakers of all recordings; null where there are none. */
export function jaccardErrorRate(results: readonly Pick<DiarizationResult, "jaccard">[]): number | null {
  const errors = results.flatMap(({ jaccard }) => Object.values(jaccard));
  return errors.length > 0 ? errors.reduce((sum, error) => sum + error, 0) / errors.length : null;
}
