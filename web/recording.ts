import type { Renaming, Segment } from "../src/index.ts";
import type { Problem } from "./problem.ts";
import type { Heard, Ready, Sound } from "./protocol.ts";
import { Signal } from "./reactive.ts";

export type Progress =
  | { readonly kind: "waiting" }
  | { readonly kind: "working" }
  | { readonly kind: "done" }
  | { readonly kind: "cancelled" }
  | { readonly kind: "failed"; readonly problem: Problem };

/** What is kept of a recording beside its segments: no sound. */
export interface Kept {
  readonly id: string;
  readonly name: string;
  readonly created: number;
  readonly duration: number;
  /** Peaks in sum, so that the wave form is there after a reload. */
  readonly outline: Uint8Array;
  readonly progress: "done" | "cancelled" | { readonly problem: Problem };
  readonly by: string;
  /** See Recording.names. */
  readonly names?: Readonly<Record<string, string>>;
}

/** Peaks that are kept. */
const OUTLINE = 2000;

/** A sound and what was heard in it. */
export class Recording {
  readonly id: string;
  readonly name: string;
  readonly created: number;
  readonly sound: Signal<Sound | undefined>;
  readonly progress = new Signal<Progress>({ kind: "waiting" });
  readonly segments = new Signal<readonly Segment[]>([]);
  /** Seconds: estimated while it is decoded. */
  readonly duration = new Signal(0);
  /** Seconds that were heard. */
  readonly done = new Signal(0);
  /** Seconds of sound in a second. */
  readonly speed = new Signal<number | undefined>(undefined);
  /** Counts the changes of `peaks`. */
  readonly shape = new Signal(0);
  /** The model and the device. */
  readonly by = new Signal("");
  /** What speakers are called in place of S1, S2, … */
  readonly names = new Signal<Readonly<Record<string, string>>>({});
  /** Whether the segments are here: those of an earlier visit are read when the recording is shown. */
  loaded = true;
  /** The segments that are kept, at their places. */
  #kept: readonly Segment[] = [];
  #peaks: Uint8Array = new Uint8Array(0);
  #peakCount = 0;
  /** Whether the peaks are an outline of an earlier visit. */
  #outlined = false;
  #abort = new AbortController();

  constructor(name: string, sound?: Sound, created = nextMoment(), id = `${created}-${Math.random()}`) {
    this.name = name;
    this.sound = new Signal(sound);
    this.id = id;
    this.created = created;
  }

  static of(kept: Kept): Recording {
    const recording = new Recording(kept.name, undefined, kept.created, kept.id);
    recording.duration.value = kept.duration;
    recording.done.value = kept.duration;
    recording.loaded = false;
    recording.#peaks = kept.outline;
    recording.#peakCount = kept.outline.length;
    recording.#outlined = true;
    recording.by.value = kept.by;
    recording.names.value = kept.names ?? {};
    const { progress } = kept;
    recording.progress.value = typeof progress === "string" ? { kind: progress } : { kind: "failed", ...progress };
    return recording;
  }

  get peaks(): Uint8Array {
    return this.#peaks.subarray(0, this.#peakCount);
  }

  /** Seconds that a peak stands for. */
  get peakSeconds(): number {
    return this.#outlined ? this.duration.peek() / this.#peakCount : 0.02;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  cancel(): void {
    this.#abort.abort(new DOMException("cancelled", "AbortError"));
    this.progress.value = { kind: "cancelled" };
  }

  /** Makes it as it was before it was heard. */
  restart(): void {
    this.#abort = new AbortController();
    this.clearPeaks();
    this.segments.value = [];
    this.names.value = {};
    this.done.value = 0;
    this.progress.value = { kind: "waiting" };
  }

  /** Takes what was told while it is heard, all at once: each change is shown once. */
  take(heard: readonly Heard[]): void {
    const segments = heard.flatMap(({ segment }) => segment ?? []);
    const peaks = heard.flatMap(({ peaks }) => peaks ?? []);
    this.duration.value = heard.findLast(({ duration }) => duration !== undefined)?.duration ?? this.duration.peek();
    this.done.value = heard.findLast(({ done }) => done !== undefined)?.done ?? this.done.peek();
    for (const some of peaks) this.#addPeaks(some);
    if (peaks.length > 0) this.shape.value++;
    if (segments.length > 0) this.segments.value = [...this.segments.peek(), ...segments];
  }

  /** Another sound's peaks begin. */
  clearPeaks(): void {
    this.#peakCount = 0;
    this.#outlined = false;
  }

  /** Says another text in place of a segment's. */
  edit(segment: Segment, text: string): void {
    this.segments.value = this.segments.peek().map((other) => (other === segment ? { ...segment, text } : other));
  }

  nameOf(speaker: string): string {
    return this.names.value[speaker] ?? speaker;
  }

  /** Calls a speaker by a name; by what they were called at first if it is empty. */
  rename(speaker: string, name: string): void {
    const { [speaker]: _, ...others } = this.names.peek();
    this.names.value = name === "" ? others : { ...others, [speaker]: name };
  }

  /** Speakers turned out to be others: what they said is theirs from now on, and a name that they had. */
  relabel(renamed: readonly Renaming[]): void {
    const labels = new Map(renamed.map(({ from, to }) => [from, to]));
    const now = <T extends { readonly speaker?: string }>(said: T): T => {
      const to = labels.get(said.speaker ?? "");
      return to === undefined ? said : { ...said, speaker: to };
    };
    this.segments.value = this.segments.peek().map((segment) => {
      const changed = now(segment);
      return changed === segment ? segment : { ...changed, words: changed.words?.map(now) ?? null };
    });
    const names = Object.entries(this.names.peek());
    const kept = names.filter(([label]) => !labels.has(label));
    const moved = names.flatMap(([label, name]) => (labels.has(label) ? [[labels.get(label), name]] : []));
    this.names.value = Object.fromEntries([...moved, ...kept]);
  }

  finish(model: Ready, seconds: number): void {
    this.by.value = `${model.model} · ${model.description}`;
    const duration = this.duration.peek();
    this.done.value = duration;
    if (seconds > 0) this.speed.value = duration / seconds;
    this.progress.value = { kind: "done" };
  }

  keep(): Kept {
    const progress = this.progress.peek();
    return {
      id: this.id,
      name: this.name,
      created: this.created,
      duration: this.duration.peek(),
      outline: outlineOf(this.peaks),
      by: this.by.peek(),
      names: this.names.peek(),
      progress:
        progress.kind === "failed" ? { problem: progress.problem } : progress.kind === "done" ? "done" : "cancelled",
    };
  }

  /** Takes what was kept of the segments. */
  load(segments: readonly Segment[]): void {
    if (this.loaded) return;
    this.loaded = true;
    this.#kept = segments;
    this.segments.value = segments;
  }

  /** The segments that are not kept as they are, by their places. They are taken as kept from now on. */
  takeChanges(): Map<number, Segment> {
    const segments = this.segments.peek();
    const changed = new Map<number, Segment>();
    for (const [place, segment] of segments.entries()) if (this.#kept[place] !== segment) changed.set(place, segment);
    this.#kept = segments;
    return changed;
  }

  /** What was taken as kept could not be, or was removed. */
  forgetChanges(): void {
    this.#kept = [];
  }

  #addPeaks(peaks: Uint8Array): void {
    const count = this.#peakCount + peaks.length;
    if (count > this.#peaks.length) {
      const longer = new Uint8Array(2 * count);
      longer.set(this.peaks);
      this.#peaks = longer;
    }
    this.#peaks.set(peaks, this.#peakCount);
    this.#peakCount = count;
  }
}

let lastMoment = 0;

/** Now, but later than for the recording before: recordings are in the order of these. */
function nextMoment(): number {
  lastMoment = Math.max(lastMoment + 1, Date.now());
  return lastMoment;
}

/** The largest of each so many peaks. */
export function outlineOf(peaks: Uint8Array, count = OUTLINE): Uint8Array {
  if (peaks.length <= count) return peaks.slice();
  const outline = new Uint8Array(count);
  for (let i = 0, at = 0; i < count; i++) {
    for (const end = Math.floor(((i + 1) * peaks.length) / count); at < end; at++) {
      if (peaks[at] > outline[i]) outline[i] = peaks[at];
    }
  }
  return outline;
}
