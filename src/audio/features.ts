import { expectShape } from "../tensor/host.ts";
import type { FrontendConfig } from "../weights/config.ts";
import { fbank } from "./fbank.ts";
import { lfr } from "./lfr.ts";
import { checkPcm } from "./pcm.ts";

/**
 * Sound → the rows that the encoder takes: fbank, low frame rate, then per column (x + shift)·scale.
 *
 * @param pcm mono samples in [-1, 1] at config.sampleRate
 * @param cmvn AddShift and Rescale of `am.mvn`, lfrM·mels numbers each
 * @returns `data` [rows, lfrM·mels]; with the usual configuration one row for every 60 ms
 * @throws SenseVoiceError if pcm is not a Float32Array, is empty or has NaN or ∞ in it
 * @see WavFrontend.forward in FunASR's wav_frontend.py, with dither off
 */
export function extractFeatures(
  pcm: Float32Array,
  config: FrontendConfig,
  cmvn: { readonly shift: Float32Array; readonly scale: Float32Array },
): { rows: number; data: Float32Array } {
  checkPcm(pcm);
  const { mels, lfrM, lfrN } = config;
  const width = mels * lfrM;
  expectShape("features", "cmvn.shift", [cmvn.shift.length], [width]);
  expectShape("features", "cmvn.scale", [cmvn.scale.length], [width]);

  const data = lfr(fbank(pcm, config), mels, lfrM, lfrN);
  const rows = data.length / width;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < width; i++) {
      const at = row * width + i;
      data[at] = Math.fround(data[at] + cmvn.shift[i]) * cmvn.scale[i];
    }
  }
  return { rows, data };
}
