// fft.js ships no types. Only what fbank.ts calls is declared; its arrays may be any array of numbers.
declare module "fft.js" {
  // biome-ignore lint/style/noDefaultExport: the shape of the package
  export default class FFT {
    /** `size`: a power of two, at least 2. */
    constructor(size: number);
    /** `input`: size numbers. `output`: 2·size numbers, of which bins 0 to size/2 are filled: re, im, re, im, … */
    realTransform(output: Float64Array, input: Float64Array): void;
  }
}
