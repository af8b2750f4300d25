/** The typings of a page have no worklet's scope. */
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

/** Samples that are sent at a time: some 40 ms. */
const BLOCK = 2048;

/** Sends what the microphone gives, the mean of its channels. */
class SamplesProcessor extends AudioWorkletProcessor {
  #samples = new Float32Array(BLOCK);
  #count = 0;

  process([channels]: Float32Array[][]): boolean {
    const length = channels[0]?.length ?? 0;
    for (let i = 0; i < length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.#samples[this.#count++] = sum / channels.length;
      if (this.#count < BLOCK) continue;
      this.port.postMessage(this.#samples, [this.#samples.buffer]);
      this.#samples = new Float32Array(BLOCK);
      this.#count = 0;
    }
    return true;
  }
}

registerProcessor("samples", SamplesProcessor);
