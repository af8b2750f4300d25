import { MAX_SECONDS, SAMPLE_RATE } from "../audio/pcm.ts";
import { SenseVoiceError } from "../error.ts";
import type { VadModel } from "../model/fsmnVad/network.ts";
import { checkChoice, checkNumber, VADS, type Vad } from "../options.ts";
import { EnergyActivity } from "./energyActivity.ts";
import { FsmnActivity } from "./fsmnActivity.ts";
import { type BestTokens, ModelActivity } from "./modelActivity.ts";
import type { DetectOptions, VoiceSettings } from "./options.ts";
import type { SpeechEvent, VoiceActivity } from "./voiceActivity.ts";

/** The longest that a segment may last: no more than a run may hear. */
const MAX_SEGMENT_SECONDS = MAX_SECONDS - 1;

/** What can be set, from 0 to what, and the kinds of voice activity that have it. */
const SETTINGS: Readonly<Record<keyof VoiceSettings, { readonly most: number; readonly kinds: readonly Vad[] }>> = {
  endSilenceMs: { most: 10_000, kinds: ["fsmn", "model", "energy"] },
  speechThreshold: { most: 1, kinds: ["fsmn"] },
  padMs: { most: 5000, kinds: ["fsmn", "model", "energy"] },
};

/**
 * @param options `vad` is the kind that was asked for, if any
 * @throws SenseVoiceError if there is no such kind, or a setting is out of its range or one that the kind does not have
 */
export function checkVoice(options: DetectOptions): void {
  const { vad, maxSegmentSeconds } = options;
  checkChoice("vad", vad, [undefined, ...VADS]);
  if (maxSegmentSeconds !== undefined) checkNumber("maxSegmentSeconds", maxSegmentSeconds, 1, MAX_SEGMENT_SECONDS);
  for (const name of Object.keys(SETTINGS) as (keyof VoiceSettings)[]) {
    const { most, kinds } = SETTINGS[name];
    if (options[name] === undefined) continue;
    checkNumber(name, options[name], 0, most);
    if (vad === undefined || kinds.includes(vad)) continue;
    throw new SenseVoiceError(`[engine] ${name}: expected vad ${kinds.join(", ")} with it, got ${vad}`);
  }
}

export interface ActivityOptions extends VoiceSettings {
  /** For "fsmn". */
  readonly model?: VadModel;
  /** For "model". */
  readonly bestTokens?: BestTokens;
  /** Longer speech is cut. */
  readonly maxSegmentMs: number;
  /** Whether what happens is told at once, not only once it is over. */
  readonly live?: boolean;
}

/** @throws SenseVoiceError if there is no model for it */
export function createActivity(vad: Vad, options: ActivityOptions): VoiceActivity {
  const { model, bestTokens, maxSegmentMs, live, speechThreshold } = options;
  const endSilenceMs = options.endSilenceMs && Math.round(options.endSilenceMs);
  // More would leave no room for speech in a segment of that length.
  const padMs = options.padMs && Math.round(Math.min(options.padMs, maxSegmentMs / 4));
  const detector = given({
    maxSegmentMs,
    maxEndSilenceMs: endSilenceMs,
    speechNoiseThreshold: speechThreshold,
    lookbackMs: padMs,
    extend: padMs === undefined ? undefined : true,
  });
  if (vad === "none") return createPieces(maxSegmentMs);
  if (vad === "energy") return new EnergyActivity(detector);
  if (vad === "fsmn" && model) return new FsmnActivity(model, { detector, endSilence: endSilenceMs, live });
  if (vad === "model" && bestTokens) return new ModelActivity(bestTokens, { maxSegmentMs, endSilenceMs, padMs });
  throw new SenseVoiceError(`[vad] ${vad}: expected a model for it, got none; see docs/long.md`);
}

/** Without what is undefined: that would take a default's place. */
function given<T extends object>(options: { [K in keyof T]: T[K] | undefined }): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** Speech all along, in pieces of `longest` ms. */
function createPieces(longest: number): VoiceActivity {
  let [heard, start] = [0, -1];
  return {
    async push(pcm) {
      heard += (pcm.length * 1000) / SAMPLE_RATE;
      const events: SpeechEvent[] = [];
      const begin = (ms: number) => {
        start = ms;
        events.push([start, -1]);
      };
      if (start < 0 && heard > 0) begin(0);
      while (start >= 0 && heard - start > longest) {
        events.push([-1, start + longest]);
        begin(start + longest);
      }
      return events;
    },
    async finish() {
      return start >= 0 ? [[-1, Math.ceil(heard)]] : [];
    },
    close: () => {},
  };
}
