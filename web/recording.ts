import type { Segment } from "../src/index.ts";
import type { Problem } from "./problem.ts";
import type { Heard, Ready, Sound } from "./protocol.ts";
import { Signal } from "./reactive.ts";

export type Progress =
  | { readonly kind: "waiting" }
  | { readonly kind: "working" }
  | { readonly kind: "done" }
  | { readonly kind: "cancelled" }
  | { readonly kind: "failed"; readonly problem: Problem };

/** What is kept of a recording: no sound. */
export interface Kept {
  readonly id: string;
  readonly name: string;
  readonly created: number;
  readonly duration: number;
  readonly segments: readonly Segment[];
  /** Peaks in sum, so that the wave form is there after a reload. */
  readonly outline: Uint8Array;
  readonly progress: "done" | "cancelled" | { readonly problem: Problem };
  readonly by: string;
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
  #peaks: Uint8Array = new Uint8Array(0);
  #peakCount = 0;
  /** Whether the peaks are an outline of an earlier visit. */
  #outlined = false;
  #abort = new AbortController();

  constructor(name: string, sound?: Sound, id: string = crypto.randomUUID(), created = Date.now()) {
    this.name = name;
    this.sound = new Signal(sound);
    this.id = id;
    this.created = created;
  }

  static of(kept: Kept): Recording {
    const recording = new Recording(kept.name, undefined, kept.id, kept.created);
    recording.duration.value = kept.duration;
    recording.done.value = kept.segments.at(-1)?.end ?? 0;
    recording.segments.value = kept.segments;
    recording.#peaks = kept.outline;
    recording.#peakCount = kept.outline.length;
    recording.#outlined = true;
    recording.by.value = kept.by;
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
    this.done.value = 0;
    this.progress.value = { kind: "waiting" };
  }

  /** Takes what is told while it is heard. */
  take({ peaks, duration, segment, done }: Heard): void {
    if (duration !== undefined) this.duration.value = duration;
    if (peaks) this.#addPeaks(peaks);
    if (segment) this.segments.value = [...this.segments.peek(), segment];
    if (done !== undefined) this.done.value = done;
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
      segments: this.segments.peek(),
      outline: outlineOf(this.peaks),
      by: this.by.peek(),
      progress:
        progress.kind === "failed" ? { problem: progress.problem } : progress.kind === "done" ? "done" : "cancelled",
    };
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
    this.shape.value++;
  }
}

/** The largest of each so many peaks. */
export function outlineOf(peaks: Uint8Array, count = OUTLINE): Uint8Array {
  if (peaks.length <= count) return peaks.slice();
  return Uint8Array.from({ length: count }, (_, i) => {
    const [from, to] = [i, i + 1].map((at) => Math.floor((at * peaks.length) / count));
    return peaks.subarray(from, to).reduce((most, peak) => Math.max(most, peak), 0);
  });
}
