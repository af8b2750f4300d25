import type { Engine, LiveOptions, LiveResult, SpeechStream } from "../node.ts";

/** One run of live sound through the engine. */
export class Ear {
  /** So that another may go on with its speakers. */
  readonly stream: SpeechStream;
  readonly #dropped = new AbortController();
  readonly #done: Promise<void>;

  /**
   * @param onResult is given the results; what comes next waits until it is done
   * @param onFailure is told if the engine fails
   * @throws SenseVoiceError on options that the engine refuses
   */
  constructor(
    engine: Engine,
    options: LiveOptions,
    onResult: (result: LiveResult) => Promise<void>,
    onFailure: (error: unknown) => void,
  ) {
    this.stream = engine.stream({ ...options, signal: this.#dropped.signal });
    this.#done = this.#follow(onResult).catch((error) => {
      if (!this.#dropped.signal.aborted) onFailure(error);
    });
  }

  async #follow(onResult: (result: LiveResult) => Promise<void>): Promise<void> {
    for await (const result of this.stream) await onResult(result);
  }

  /** Resolves once little enough waits to be heard. */
  write(pcm: Float32Array): Promise<void> {
    return this.stream.write(pcm);
  }

  /** What is open becomes final; resolves once it was told. */
  async finish(): Promise<void> {
    this.stream.end();
    await this.#done;
  }

  /** Nothing more is told. */
  drop(): void {
    this.#dropped.abort(new Error("nobody listens any more"));
  }
}
