import { ChangeLimit } from "./change.ts";
import { type Chunk, clearOf, coarse, refine, windowOf } from "./chunks.ts";
import type { Embed, Stretch } from "./diarizer.ts";
import { type OnlineOptions, OnlineSpeakers, type Renumbering } from "./online.ts";
import type { Turn } from "./turn.ts";
import { turnsOf } from "./turns.ts";
import { unit } from "./vectors.ts";
import { nearest } from "./voices.ts";

/** Who speaks in live sound, stretch by stretch: the windows of `Diarizer`, the numbers of `OnlineSpeakers`. */
export class LiveDiarizer {
  readonly #embed: Embed;
  readonly #speakers: OnlineSpeakers;
  readonly #limit = new ChangeLimit();

  constructor(embed: Embed, options: OnlineOptions = {}) {
    this.#embed = embed;
    this.#speakers = new OnlineSpeakers(options);
  }

  /** The mean direction of each speaker by number; null: it became another. */
  get centres(): (Float64Array | null)[] {
    return this.#speakers.centres;
  }

  /**
   * The turns of a stretch that has ended. One at a time, in order. Renumberings are of turns given before.
   *
   * @param isSpeech what is known once it was recognised, if that is waited for: what is none adds nobody
   */
  async add(
    { startMs, pcm }: Stretch,
    isSpeech: boolean | Promise<boolean> = true,
  ): Promise<{ turns: Turn[]; renumbered: Renumbering[] }> {
    const chunks = coarse(pcm.length, startMs);
    if (chunks.length === 0) return { turns: [], renumbered: [] };
    const embeddings = await this.#embed(chunks.map((chunk) => windowOf(pcm, chunk)));
    if (!(await isSpeech)) return { turns: [], renumbered: [] };
    this.#limit.add(embeddings);
    const between = refine(chunks, embeddings, startMs, this.#limit.value);
    const added = between.length > 0 ? await this.#embed(between.map((chunk) => windowOf(pcm, chunk))) : [];
    const isClear = clearOf(embeddings, this.#limit.value);
    const { labels, renumbered } = this.#speakers.add(embeddings.filter((_, i) => isClear[i]));
    // What may hold two voices is told by those that are known, and tells nothing of them.
    const centres = this.#speakers.centres;
    const numbers = [...centres.keys()].filter((number) => centres[number] !== null);
    const directions = numbers.map((number) => centres[number] as Float64Array);
    const told = (embedding: Float32Array) => numbers[nearest(unit(embedding), directions)];
    const own = labels.values();
    const labelled: [Chunk, number][] = [
      ...chunks.map((chunk, i): [Chunk, number] => [
        chunk,
        isClear[i] ? (own.next().value as number) : told(embeddings[i]),
      ]),
      ...between.map((chunk, i): [Chunk, number] => [chunk, told(added[i])]),
    ];
    labelled.sort(([a], [b]) => a.first - b.first);
    const given = [...new Set(labelled.map(([, number]) => number))];
    const turns = turnsOf(
      labelled.map(([chunk]) => chunk),
      labelled.map(([, number]) => number),
      { keepApart: true },
    );
    return { turns: turns.map((turn) => ({ ...turn, speaker: given[turn.speaker] })), renumbered };
  }
}
