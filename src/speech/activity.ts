import { MAX_SECONDS, SAMPLE_RATE } from "../audio/pcm.ts";
import { SenseVoiceError } from "../error.ts";
import type { VadModel } from "../model/fsmnVad/network.ts";
import type { Vad } from "../options.ts";
import { EnergyActivity } from "./energyActivity.ts";
import { FsmnActivity } from "./fsmnActivity.ts";
import { type BestTokens, ModelActivity } from "./modelActivity.ts";
import type { SpeechEvent, VoiceActivity } from "./voiceActivity.ts";

/** The longest that a segment may last: no more than a run may hear. */
export const MAX_SEGMENT_SECONDS = MAX_SECONDS - 1;

export interface ActivityOptions {
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
  const { model, bestTokens, maxSegmentMs, live } = options;
  if (vad === "none") return createPieces(maxSegmentMs);
  if (vad === "energy") return new EnergyActivity({ maxSegmentMs });
  if (vad === "fsmn" && model) return new FsmnActivity(model, { detector: { maxSegmentMs }, live });
  if (vad === "model" && bestTokens) return new ModelActivity(bestTokens, { maxSegmentMs });
  throw new SenseVoiceError(`[vad] ${vad}: expected a model for it, got none; see docs/long.md`);
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
