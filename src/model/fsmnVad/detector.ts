import type { DetectorOptions } from "./config.ts";

/** `[start, end]` in milliseconds; −1 for what is not known yet, or was told before. */
export type Span = readonly [start: number, end: number];

/** What the smoothed frames do. */
type Change = "silence" | "silence to speech" | "speech";

/** The frames of the last `windowMs`: speech begins and ends by their number, so that single frames change nothing. */
class Window {
  readonly #frames: boolean[];
  readonly #begin: number;
  readonly #end: number;
  #position = 0;
  #count = 0;
  #speech = false;

  constructor({ windowMs, silenceToSpeechMs, speechToSilenceMs }: DetectorOptions, frameMs: number) {
    this.#frames = Array.from({ length: Math.trunc(windowMs / frameMs) }, () => false);
    this.#begin = Math.trunc(silenceToSpeechMs / frameMs);
    this.#end = Math.trunc(speechToSilenceMs / frameMs);
  }

  get length(): number {
    return this.#frames.length;
  }

  /** The frame with which speech ends still counts as speech. */
  push(speech: boolean): Change {
    this.#count += Number(speech) - Number(this.#frames[this.#position]);
    this.#frames[this.#position] = speech;
    this.#position = (this.#position + 1) % this.#frames.length;
    const before = this.#speech;
    this.#speech = before ? this.#count > this.#end : this.#count >= this.#begin;
    if (before) return "speech";
    return this.#speech ? "silence to speech" : "silence";
  }

  reset(): void {
    this.#frames.fill(false);
    this.#position = 0;
    this.#count = 0;
    this.#speech = false;
  }
}

/**
 * From frames to segments of speech: FunASR's FsmnVADStreaming (funasr/models/fsmn_vad_streaming/model.py) without the
 * network. Counts frames from 0; a segment from frame a to frame b is `[a, b + 1]` times the frames' distance.
 */
export class Detector {
  readonly #options: DetectorOptions;
  readonly #frameMs: number;
  readonly #window: Window;
  readonly #lookahead: number;
  /** Frames that a segment begins before the one with which speech was noticed. */
  readonly #latency: number;
  #endSilenceMs: number;
  #speechThreshold: number;
  /** The next frame. */
  #frame = 0;
  #state: "waiting" | "speaking" | "over" = "waiting";
  /** First and last frame so far of the segment that is open. */
  #start = 0;
  #end = 0;
  /** The next segment does not begin before this frame. */
  #free = 0;
  /** Frames of silence in a row, smoothed. */
  #silent = 0;
  /** Mean level of the frames that were noise, in decibels. */
  #noise = -100;
  #ended: Span[] = [];
  /** Whether `takeEvents` has told that the open segment began. */
  #told = false;

  constructor(options: DetectorOptions, frameMs: number) {
    this.#options = options;
    this.#frameMs = frameMs;
    this.#window = new Window(options, frameMs);
    this.#lookahead = Math.trunc(options.lookaheadMs / frameMs);
    this.#latency = this.#window.length + (options.extend ? Math.trunc(options.lookbackMs / frameMs) : 0);
    this.#speechThreshold = options.speechNoiseThreshold;
    this.#endSilenceMs = this.#beyondWindow(options.maxEndSilenceMs);
  }

  /** Whether a segment is open. */
  get speaking(): boolean {
    return this.#state === "speaking";
  }

  /** From now on so much silence ends a segment. FunASR lowers the threshold to 0.5 along with it, unless one is given. */
  setEndSilence(ms: number, speechNoiseThreshold = 0.5): void {
    this.#endSilenceMs = this.#beyondWindow(ms);
    this.#speechThreshold = speechNoiseThreshold;
  }

  /**
   * The next frame.
   *
   * @param silence the network's probability of silence
   * @param decibel 10·log10(Σ x² + 1e-6) of the frame's samples in [-1, 1]
   * @param last whether the recording ends with it: an open segment does, too, unless it has just begun
   */
  accept(silence: number, decibel: number, last: boolean): void {
    const frame = this.#frame++;
    if (this.#state === "over") return;
    const change = this.#window.push(this.#isSpeech(silence, decibel));
    this.#silent = change === "silence" ? this.#silent + 1 : 0;
    if (this.#state === "speaking") this.#continue(frame, change, last);
    else if (change === "silence to speech") this.#begin(frame);
    else if (this.#options.singleUtterance && this.#silent * this.#frameMs > this.#options.maxStartSilenceMs) {
      this.#state = "over";
    }
  }

  /** The segments that ended since the last call, and at the end of the recording one that is still open. */
  takeSegments(final: boolean): Span[] {
    const segments = this.#ended.splice(0);
    return final && this.speaking ? [...segments, this.#span()] : segments;
  }

  /** What happened since the last call: `[start, -1]`, `[-1, end]`, or `[start, end]`. */
  takeEvents(): Span[] {
    const events = this.#ended.splice(0).map(([start, end]): Span => {
      const event: Span = [this.#told ? -1 : start, end];
      this.#told = false;
      return event;
    });
    if (!this.speaking || this.#told) return events;
    this.#told = true;
    return [...events, [this.#start * this.#frameMs, -1]];
  }

  #isSpeech(silence: number, decibel: number): boolean {
    const { decibelThreshold, snrThreshold, speechToNoiseRatio, noiseFrames, priorThreshold } = this.#options;
    if (decibel < decibelThreshold) return false;
    if (1 - silence >= silence ** speechToNoiseRatio + this.#speechThreshold) {
      return decibel - this.#noise >= snrThreshold && priorThreshold < 1;
    }
    this.#noise = this.#noise < -99.9 ? decibel : (decibel + this.#noise * (noiseFrames - 1)) / noiseFrames;
    return false;
  }

  #begin(frame: number): void {
    this.#state = "speaking";
    this.#start = Math.max(this.#free, frame - this.#latency);
    this.#end = frame;
    this.#free = frame + 1;
  }

  #continue(frame: number, change: Change, last: boolean): void {
    const { extend, maxSegmentMs } = this.#options;
    const silentMs = this.#silent * this.#frameMs;
    if (change === "silence" && silentMs >= this.#endSilenceMs) {
      const back = Math.trunc(this.#endSilenceMs / this.#frameMs);
      this.#finish(frame - (extend ? Math.max(0, back - this.#lookahead - 1) : back));
    } else if (frame - this.#start + 1 > maxSegmentMs / this.#frameMs || last) {
      this.#finish(frame);
    } else if (change !== "silence" || (extend && this.#silent <= this.#lookahead)) {
      this.#end = frame;
      this.#free = frame + 1;
    }
  }

  /** Ends the open segment with this frame. */
  #finish(frame: number): void {
    // Where the segment had it already, FunASR counts it as used up twice.
    this.#free = Math.max(this.#free, frame) + 1;
    this.#end = frame;
    this.#ended.push(this.#span());
    this.#state = this.#options.singleUtterance ? "over" : "waiting";
    if (this.#state === "over") return;
    this.#silent = 0;
    this.#window.reset();
  }

  #span(): Span {
    return [this.#start * this.#frameMs, (this.#end + 1) * this.#frameMs];
  }

  /** Silence of a window is silence of some of its frames already. */
  #beyondWindow(ms: number): number {
    return Math.max(0, ms - this.#options.speechToSilenceMs);
  }
}
