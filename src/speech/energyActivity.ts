import { checkFinite, SAMPLE_RATE } from "../audio/pcm.ts";
import { DEFAULT_DETECTOR, type DetectorOptions } from "../model/fsmnVad/config.ts";
import { Detector } from "../model/fsmnVad/detector.ts";
import { createPause } from "../pause.ts";
import type { SpeechEvent, VoiceActivity } from "./voiceActivity.ts";

const FRAME_MS = 10;
const FRAME = (FRAME_MS * SAMPLE_RATE) / 1000;
/** Frames between two looks at the clock. */
const SLICE = 1000;
/** The noise: where it begins, and below what it does not fall, in decibels; how fast it rises, in decibels a frame. */
const FIRST_NOISE = -50;
const LEAST_NOISE = -60;
const RISE = 0.03;
/** Decibels above the noise that are speech. */
const ABOVE_NOISE = 9;

/**
 * Voice activity by loudness alone: for quiet rooms, and where there is no model. Of every 10 ms
 *
 *   level = 10·log10(mean x² + 1e-10)
 *   noise ← max(−60, min(level, noise + 0.03)), at first −50
 *
 * so the noise falls at once and rises by 3 dB a second. What is more than 9 dB above it is speech; FunASR's detector
 * smooths it, extends it and ends it after silence, as it does with a network's answers.
 */
export class EnergyActivity implements VoiceActivity {
  readonly #detector: Detector;
  readonly #pause = createPause();
  #noise = FIRST_NOISE;
  #energy = 0;
  #filled = 0;
  #frames = 0;
  /** Whether the last whole frame was loud. It waits, since the detector wants to know whether it is the last. */
  #loud: boolean | undefined;
  #heard = 0;

  /** @param options in place of FunASR's defaults; the thresholds of a network have no meaning here */
  constructor(options: Partial<DetectorOptions> = {}) {
    this.#detector = new Detector({ ...DEFAULT_DETECTOR, ...options }, FRAME_MS);
  }

  /** See VoiceActivity.push. */
  async push(pcm: Float32Array): Promise<SpeechEvent[]> {
    const events: SpeechEvent[] = [];
    for (let at = 0; at < pcm.length; ) {
      const part = pcm.subarray(at, at + FRAME - this.#filled);
      checkFinite(part, "audio", this.#heard);
      for (let i = 0; i < part.length; i++) this.#energy += part[i] * part[i];
      this.#filled += part.length;
      this.#heard += part.length;
      at += part.length;
      if (this.#filled < FRAME) break;
      events.push(...this.#detect(false));
      const level = 10 * Math.log10(this.#energy / FRAME + 1e-10);
      this.#noise = Math.max(LEAST_NOISE, Math.min(level, this.#noise + RISE));
      this.#loud = level > this.#noise + ABOVE_NOISE;
      this.#energy = 0;
      this.#filled = 0;
      if (this.#frames++ % SLICE === 0) await this.#pause();
    }
    return events;
  }

  /** See VoiceActivity.finish. */
  async finish(): Promise<SpeechEvent[]> {
    return this.#detect(true);
  }

  close(): void {}

  /** Hands the frame that waits to the detector. */
  #detect(last: boolean): SpeechEvent[] {
    if (this.#loud === undefined) return [];
    this.#detector.accept(this.#loud ? 0 : 1, 0, last);
    return this.#detector.takeEvents();
  }
}
