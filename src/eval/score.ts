import { countEdits, type Edits } from "./align.ts";
import { characters, normalise, type Unit, unitOf, words } from "./normalise.ts";

/** The errors of one clip. */
export interface TextScore {
  /** What `edits` counts: the customary unit of the clip's language. */
  readonly unit: Unit;
  readonly edits: Edits;
  /** Counted in characters whatever the language, so that languages can be compared. */
  readonly characters: Edits;
}

/**
 * Compares what was understood with what was said.
 *
 * @param language of the reference; it decides between characters and words, and whether spaces count
 */
export function scoreText(reference: string, hypothesis: string, language: string, normalised = true): TextScore {
  const [ref, hyp] = normalised ? [normalise(reference), normalise(hypothesis)] : [reference, hypothesis];
  const unit = unitOf(language);
  const inCharacters = countEdits(characters(ref, language), characters(hyp, language));
  const edits = unit === "words" ? countEdits(words(ref), words(hyp)) : inCharacters;
  return { unit, edits, characters: inCharacters };
}
