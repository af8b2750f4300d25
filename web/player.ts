import { remote } from "./engine.ts";
import { effect, onCleanup, Signal } from "./reactive.ts";
import type { Recording } from "./recording.ts";

/** Plays a recording. What the browser cannot play is decoded in the worker and played as a wav file. */
export class Player {
  readonly time = new Signal(0);
  readonly playing = new Signal(false);
  /** Whether there is something to play. */
  readonly able = new Signal(false);
  /** Neither the browser nor the engine reads it. */
  readonly unplayable = new Signal(false);
  readonly element = document.createElement("audio");
  readonly #recording: Recording;
  #decoded = false;
  #frame = 0;

  constructor(recording: Recording) {
    this.#recording = recording;
    const { element } = this;
    element.preload = "metadata";
    const on = (name: string, listener: () => void) => element.addEventListener(name, listener);
    on("play", () => this.#follow());
    on("pause", () => this.#rest());
    on("ended", () => this.#rest());
    for (const name of ["timeupdate", "seeked"]) on(name, () => this.#tell());
    on("error", () => void this.#decode());
    effect(() => {
      const sound = recording.sound.value;
      this.#decoded = false;
      if (sound instanceof Blob) this.#open(sound);
    });
    onCleanup(() => {
      element.pause();
      cancelAnimationFrame(this.#frame);
      URL.revokeObjectURL(element.src);
    });
  }

  seek(seconds: number): void {
    if (!this.able.peek()) return;
    this.element.currentTime = Math.max(0, Math.min(seconds, this.#recording.duration.peek()));
    this.time.value = this.element.currentTime;
  }

  toggle(): void {
    if (!this.able.peek()) return;
    if (this.element.paused) void this.element.play().catch(() => {});
    else this.element.pause();
  }

  #open(sound: Blob): void {
    URL.revokeObjectURL(this.element.src);
    this.element.src = URL.createObjectURL(sound);
    this.able.value = true;
    this.unplayable.value = false;
  }

  async #decode(): Promise<void> {
    const sound = this.#recording.sound.peek();
    if (!sound || this.#decoded) {
      this.able.value = false;
      this.unplayable.value = true;
      return;
    }
    this.#decoded = true;
    const { currentTime } = this.element;
    try {
      this.#open(await remote.call("playable", { sound, name: this.#recording.name }));
      this.element.currentTime = currentTime;
    } catch {
      this.able.value = false;
      this.unplayable.value = true;
    }
  }

  #follow(): void {
    this.playing.value = true;
    const next = () => {
      this.#tell();
      this.#frame = requestAnimationFrame(next);
    };
    cancelAnimationFrame(this.#frame);
    next();
  }

  #rest(): void {
    cancelAnimationFrame(this.#frame);
    this.playing.value = false;
    this.#tell();
  }

  #tell(): void {
    this.time.value = this.element.currentTime;
  }
}
