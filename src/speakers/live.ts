import type { SpeakerModel } from "../model/campplus/network.ts";
import type { Clip } from "../speech/cut.ts";
import type { LiveResult, LiveSpeakers, Renaming } from "../speech/live.ts";
import type { LiveOptions } from "../speech/options.ts";
import type { Segment } from "../speech/segment.ts";
import { attribute } from "./attribute.ts";
import { type Chunk, coarse, refine, windowOf } from "./chunks.ts";
import { labelsOf } from "./known.ts";
import { OnlineSpeakers, type Renumbering, settled } from "./online.ts";
import { labelled, stretchesOf } from "./recording.ts";
import type { Turn } from "./turn.ts";
import { turnsOf } from "./turns.ts";
import { nearest } from "./voices.ts";

/** A window of a clip. One between two that differ may hold both voices: it is told by them. */
interface Heard {
  readonly chunk: Chunk;
  readonly embedding: Float32Array;
  readonly isBetween: boolean;
}

/**
 * Who says what of live sound, clip by clip: the windows of each are embedded while it is recognised, and grouped with what
 * was heard before (OnlineSpeakers). A clip without words adds nobody. Labels change by its rule, and by that of names.
 */
export class OnlineVoices implements LiveSpeakers {
  readonly #model: SpeakerModel;
  readonly #options: LiveOptions;
  readonly #online: OnlineSpeakers;
  /** By number. */
  #labels: readonly string[] = [];
  /** What those who were told of were called, by number. */
  readonly #told = new Map<number, string>();

  constructor(model: SpeakerModel, options: LiveOptions) {
    const { speakers } = options;
    this.#model = model;
    this.#options = options;
    this.#online = new OnlineSpeakers({ speakers: typeof speakers === "number" ? speakers : undefined });
  }

  async attribute(clip: Clip, heard: Promise<Segment>): ReturnType<LiveSpeakers["attribute"]> {
    const { people, timestamps = false } = this.#options;
    const [segment, windows] = await Promise.all([heard, this.#windowsOf(clip)]);
    if (!segment.words?.length || windows.length === 0) return [labelled(segment, undefined, timestamps)];
    const clear = windows.filter(({ isBetween }) => !isBetween).map(({ embedding }) => embedding);
    const { labels, renumbered } = this.#online.add(clear);
    const { centres } = this.#online;
    this.#labels = labelsOf(centres, people, this.#labels);
    const renamed = this.#rename(renumbered);
    const parts = attribute(segment, turnsFrom(windows, labels, centres));
    return parts.map(({ speaker, segment: part }, i): Omit<LiveResult, "final" | "stable"> => {
      const label = this.#labels[speaker ?? -1];
      if (speaker !== null) this.#told.set(speaker, label);
      return { ...labelled(part, label, timestamps), ...(i === 0 && renamed.length > 0 && { renamed }) };
    });
  }

  async #windowsOf(clip: Clip): Promise<Heard[]> {
    const windows: Heard[] = [];
    for (const { pcm, startMs } of stretchesOf(clip)) {
      const embed = async (chunks: readonly Chunk[], isBetween: boolean): Promise<Heard[]> => {
        if (chunks.length === 0) return [];
        const own = chunks.map((chunk) => windowOf(pcm, chunk));
        const embeddings = await this.#model.embed(own);
        return chunks.map((chunk, i) => ({ chunk, embedding: embeddings[i], isBetween }));
      };
      const chunks = coarse(pcm.length, startMs);
      const clear = await embed(chunks, false);
      const embeddings = clear.map(({ embedding }) => embedding);
      const between = await embed(refine(chunks, embeddings, startMs), true);
      windows.push(...[...clear, ...between].sort((a, b) => a.chunk.first - b.chunk.first));
    }
    return windows;
  }

  #rename(renumbered: readonly Renumbering[]): Renaming[] {
    const told = [...this.#told];
    this.#told.clear();
    return told.flatMap(([number, from]) => {
      const now = settled(number, renumbered);
      const to = this.#labels[now];
      this.#told.set(now, to);
      return from === to ? [] : [{ from, to }];
    });
  }
}

/** The turns of a clip by the numbers of its speakers, `labels` being those of its clear windows. */
function turnsFrom(
  windows: readonly Heard[],
  labels: readonly number[],
  centres: readonly (Float64Array | null)[],
): Turn[] {
  const here = [...new Set(labels)];
  const voices = here.map((number) => centres[number] as Float64Array);
  const own = labels.values();
  const all = windows.map(({ embedding, isBetween }) =>
    isBetween ? here[nearest(embedding, voices)] : (own.next().value as number),
  );
  const chunks = windows.map(({ chunk }) => chunk);
  const numbers = [...new Set(all)];
  return turnsOf(chunks, all, { keepApart: true }).map((turn) => ({ ...turn, speaker: numbers[turn.speaker] }));
}
