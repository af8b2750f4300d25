import { SenseVoiceError } from "../error.ts";
import type { KnownPerson } from "../speech/speakerOptions.ts";
import { speakerLabel } from "./turn.ts";
import { addTo, dot, unit, type Vector } from "./vectors.ts";

/** From which cosine on a speaker is a known person. Not tuned on real recordings: to be set by those of one's own. */
export const KNOWN_COSINE = 0.5;
/** A name that was given passes to another speaker, or is taken back, only for so much of a cosine. */
const KEPT = 0.1;

/**
 * What each speaker is called: the name of the known person whose mean embedding is nearest to theirs, from a cosine of
 * `least` on, else S1, S2, … Each name is given once: of all pairs the one most alike first.
 *
 * @param centres null: nobody's any more
 * @param before what they were called
 */
export function labelsOf(
  centres: readonly (Vector | null)[],
  people: readonly KnownPerson[] = [],
  least = KNOWN_COSINE,
  before: readonly string[] = [],
): string[] {
  const known = people.map(({ embeddings }) => directionOf(embeddings));
  const matches = centres
    .flatMap((centre, speaker) => {
      const own = centre ? unit(centre) : new Float64Array();
      const bonus = (i: number) => (before[speaker] === people[i].name ? KEPT : 0);
      return known.map((person, i) => ({ speaker, person: i, cosine: dot(own, person) + bonus(i) }));
    })
    .filter(({ cosine }) => cosine >= least)
    .sort((a, b) => b.cosine - a.cosine);
  const names = new Map<number, string>();
  for (const { speaker, person } of matches) {
    const { name } = people[person];
    if (!names.has(speaker) && ![...names.values()].includes(name)) names.set(speaker, name);
  }
  return centres.map((_, speaker) => names.get(speaker) ?? speakerLabel(speaker));
}

/** @throws SenseVoiceError for embeddings of another size than a model's: they come from another model */
export function checkPeople(people: readonly KnownPerson[] = [], size: number): void {
  for (const [i, { embeddings }] of people.entries()) {
    const other = embeddings.find(({ length }) => length !== size);
    if (!other) continue;
    throw new SenseVoiceError(
      `[engine] people[${i}].embeddings: expected ${size} numbers each as this speaker model gives them, got ${other.length}`,
    );
  }
}

/** The mean direction of some embeddings: loud ones count as much as others. */
export function directionOf(embeddings: readonly Vector[]): Float64Array {
  const sum = new Float64Array(embeddings[0]?.length ?? 0);
  for (const embedding of embeddings) addTo(sum, unit(embedding));
  return unit(sum);
}
