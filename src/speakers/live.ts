import type { SpeakerModel } from "../model/campplus/network.ts";
import type { Clip } from "../speech/cut.ts";
import type { LiveResult, LiveSpeakers, Renaming } from "../speech/live.ts";
import type { LiveOptions } from "../speech/options.ts";
import type { Segment } from "../speech/segment.ts";
import { attribute } from "./attribute.ts";
import { checkPeople, labelsOf } from "./known.ts";
import { LiveDiarizer } from "./liveDiarizer.ts";
import { type Renumbering, settled } from "./online.ts";
import { labelled, stretchesOf } from "./recording.ts";
import type { Turn } from "./turn.ts";

/**
 * Who says what of live sound, clip by clip: the windows of each are embedded while it is recognised. A clip without words adds
 * nobody. Labels that were told change by the rule of OnlineSpeakers, and by that of names (labelsOf).
 */
export class OnlineVoices implements LiveSpeakers {
  readonly #options: LiveOptions;
  readonly #diarizer: LiveDiarizer;
  /** By number. */
  #labels: readonly string[] = [];
  /** What those who were told of were called, by number. */
  readonly #told = new Map<number, string>();

  constructor(model: SpeakerModel, options: LiveOptions) {
    const { speakers, people } = options;
    checkPeople(people, model.config.embeddingSize);
    const count = typeof speakers === "number" ? speakers : undefined;
    this.#options = options;
    this.#diarizer = new LiveDiarizer((windows) => model.embed(windows), { speakers: count });
  }

  async attribute(clip: Clip, heard: Promise<Segment>): ReturnType<LiveSpeakers["attribute"]> {
    const { people, timestamps = false } = this.#options;
    const hasWords = heard.then(({ words }) => (words?.length ?? 0) > 0);
    const [segment, { turns, renumbered }] = await Promise.all([heard, this.#turnsOf(clip, hasWords)]);
    this.#labels = labelsOf(this.#diarizer.centres, people, undefined, this.#labels);
    const renamed = this.#rename(renumbered);
    return attribute(segment, turns).map(({ speaker, segment: part }, i): Omit<LiveResult, "final" | "stable"> => {
      const label = this.#labels[speaker ?? -1];
      if (speaker !== null) this.#told.set(speaker, label);
      return { ...labelled(part, label, timestamps), ...(i === 0 && renamed.length > 0 && { renamed }) };
    });
  }

  async #turnsOf(clip: Clip, hasWords: Promise<boolean>) {
    let turns: Turn[] = [];
    const renumbered: Renumbering[] = [];
    for (const stretch of stretchesOf(clip)) {
      const added = await this.#diarizer.add(stretch, hasWords);
      turns = turns.map((turn) => ({ ...turn, speaker: settled(turn.speaker, added.renumbered) }));
      turns.push(...added.turns);
      renumbered.push(...added.renumbered);
    }
    return { turns, renumbered };
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
