import { SenseVoiceError } from "../error.ts";
import { openFbank } from "./fastFbank.ts";
import { type FbankConfig, frameSizes } from "./fbank.ts";
import { checkFinite, checkPcm } from "./pcm.ts";

/** Sound → feature rows [T, mels] of the speaker network. */
export type SpeakerFeatures = (pcm: Float32Array) => Float32Array;

/** As FunASR's CAM++ has it, whatever its config.yaml says: Povey's window, and samples as they are, so that the floor counts. */
const configOf = (mels: number): FbankConfig => {
  return { sampleRate: 16000, mels, frameLengthMs: 25, frameShiftMs: 10, window: "povey", scale: 1 };
};

const configs = new Map<number, FbankConfig>();

/**
 * Makes features of a clip: log mel energies less each mel's mean over the clip. T = 1 + ⌊(samples − 400) / 160⌋; 1.5 s
 * give 148.
 *
 * @returns a function of mono samples in [-1, 1] at 16 kHz, which throws a SenseVoiceError if they are fewer than a frame
 *   or have NaN or ∞ among them
 * @see extract_feature in FunASR's models/campplus/utils.py
 */
export async function openSpeakerFeatures(mels: number): Promise<SpeakerFeatures> {
  const config = configs.get(mels) ?? configOf(mels);
  configs.set(mels, config);
  const fbank = await openFbank(config);
  const { window } = frameSizes(config);
  return (pcm) => {
    checkPcm(pcm);
    checkFinite(pcm, "audio", 0);
    if (pcm.length < window) {
      throw new SenseVoiceError(`[speaker] audio: expected ${window} samples or more, got ${pcm.length}`);
    }
    const features = fbank(pcm);
    const frames = features.length / mels;
    for (let m = 0; m < mels; m++) {
      let sum = 0;
      for (let t = 0; t < frames; t++) sum += features[t * mels + m];
      for (let t = 0; t < frames; t++) features[t * mels + m] -= sum / frames;
    }
    return features;
  };
}
