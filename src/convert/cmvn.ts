import { SenseVoiceError } from "../error.ts";

/** Normalisation of feature rows: (x + shift) × scale, element by element. */
export interface Cmvn {
  readonly shift: Float32Array;
  readonly scale: Float32Array;
}

/**
 * Reads `am.mvn`, a Kaldi nnet in text: `<Nnet>`, `<Splice>` (an identity here), then
 * `<AddShift> n n <LearnRateCoef> 0 [ … ]` and `<Rescale> n n <LearnRateCoef> 0 [ … ]`, each of `size`
 * numbers.
 * Source: load_cmvn in FunASR, funasr/frontends/wav_frontend.py.
 */
export function parseCmvn(text: string, size: number): Cmvn {
  const tokens = text.split(/\s+/);
  return { shift: vector(tokens, "<AddShift>", size), scale: vector(tokens, "<Rescale>", size) };
}

function vector(tokens: readonly string[], tag: string, size: number): Float32Array {
  const at = tokens.indexOf(tag);
  const open = tokens.indexOf("[", at);
  const close = tokens.indexOf("]", open);
  if (at < 0 || tokens[at + 3] !== "<LearnRateCoef>" || open !== at + 5 || close < 0) {
    throw new SenseVoiceError(`[weights] am.mvn: expected ${tag} n n <LearnRateCoef> 0 [ … ]`);
  }
  const values = Float32Array.from(tokens.slice(open + 1, close), Number);
  if (values.length !== size || !values.every(Number.isFinite)) {
    throw new SenseVoiceError(`[weights] am.mvn: expected ${size} numbers in ${tag}, got ${close - open - 1}`);
  }
  return values;
}
