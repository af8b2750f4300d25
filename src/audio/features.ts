import type { FrontendConfig } from "../model/sensevoice/config.ts";
import { createPause } from "../pause.ts";
import { expectShape } from "../tensor/host.ts";
import { type Cmvn, normaliseRow } from "./cmvn.ts";
import { openFbank } from "./fastFbank.ts";
import { frameSizes } from "./fbank.ts";
import { lfr } from "./lfr.ts";
import { checkFinite, checkPcm, concat } from "./pcm.ts";

/** Frames between two looks at the clock. */
const SLICE = 32;
/** Samples that are checked at a time. */
const CHECKED = 2 ** 16;

/**
 * Sound → the rows that the encoder takes: fbank, low frame rate, then per column (x + shift)·scale.
 *
 * The event loop gets its turns meanwhile.
 *
 * @param pcm mono samples in [-1, 1] at config.sampleRate
 * @param cmvn lfrM·mels numbers each
 * @returns `data` [rows, lfrM·mels]; with the usual configuration one row for every 60 ms
 * @throws SenseVoiceError if pcm is not a Float32Array, is empty or has NaN or ∞ in it
 * @see WavFrontend.forward in FunASR's wav_frontend.py, with dither off
 */
export async function extractFeatures(
  pcm: Float32Array,
  config: FrontendConfig,
  cmvn: Cmvn,
): Promise<{ rows: number; data: Float32Array }> {
  checkPcm(pcm);
  const { mels, lfrM, lfrN } = config;
  const width = mels * lfrM;
  expectShape("features", "cmvn.shift", [cmvn.shift.length], [width]);
  expectShape("features", "cmvn.scale", [cmvn.scale.length], [width]);

  const pause = createPause();
  for (let at = 0; at < pcm.length; at += CHECKED) {
    checkFinite(pcm.subarray(at, at + CHECKED), "audio", at);
    await pause();
  }
  const data = lfr(await fbankInSlices(pcm, config, pause), mels, lfrM, lfrN);
  const rows = data.length / width;
  for (let row = 0; row < rows; row++) {
    normaliseRow(data, row * width, cmvn);
    await pause();
  }
  return { rows, data };
}

/** fbank(pcm): its frames do not depend on one another. */
async function fbankInSlices(
  pcm: Float32Array,
  config: FrontendConfig,
  pause: () => Promise<void> | undefined,
): Promise<Float32Array> {
  const fbank = await openFbank(config);
  const { window, shift } = frameSizes(config);
  const slices: Float32Array[] = [];
  for (let start = 0; start === 0 || start + window <= pcm.length; start += SLICE * shift) {
    slices.push(fbank(pcm.subarray(start, start + (SLICE - 1) * shift + window)));
    await pause();
  }
  return concat(slices, pause);
}
