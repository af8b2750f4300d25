import type { Spoken } from "./ctc.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A token of a text and how sure the model is of it. */
export interface TokenLogProb {
  /** As it stands within a text: a space in front where a word begins. */
  readonly token: string;
  /** ln p of the token, at most 0; p is the largest of the rows that it was collapsed from, as in `confidenceOf`. */
  readonly logProb: number;
  /** `token` in UTF-8. */
  readonly bytes: readonly number[];
}

/** The tokens of what was said, tags left out. Joined, their texts are the decoded text but for a space in front. */
export function tokenLogProbs({ tokens, logProbs }: Spoken, tokenizer: Tokenizer, isTag: (token: number) => boolean) {
  const encoder = new TextEncoder();
  return tokens.flatMap((id, i): TokenLogProb[] => {
    if (isTag(id)) return [];
    const token = tokenizer.surface(id);
    return [{ token, logProb: Math.min(logProbs[i], 0), bytes: [...encoder.encode(token)] }]; // in f32 it may round to above 0
  });
}
