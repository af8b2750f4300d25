/** The module of fastFbank.ts, which fills its tables. Pointers are byte addresses. */
export { fbank, window } from "./fbank";
export { passTwiddles, places, realTwiddles } from "./fft";
