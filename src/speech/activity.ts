import type { SpeechEvent, VoiceActivity } from "./voiceActivity.ts";

/**
 * How speech is found: by FSMN-VAD, which is a small model of its own; by SenseVoice itself, where it hears nothing
 * for long; by loudness; or not at all, then the sound is cut into pieces of equal length.
 */
export const VADS = ["fsmn", "model", "energy", "none"] as const;
export type Vad = (typeof VADS)[number];

/** Speech all along, in pieces of `longest` ms. */
export function createPieces(longest: number): VoiceActivity {
  let [heard, start] = [0, 0];
  return {
    async push(pcm) {
      heard += pcm.length / 16;
      const events: SpeechEvent[] = [];
      for (; heard - start > longest; start += longest) events.push([start, start + longest]);
      return events;
    },
    async finish() {
      return heard > start ? [[start, Math.ceil(heard)]] : [];
    },
    close: () => {},
  };
}
