import { SenseVoiceError } from "../error.ts";
import { greedy, type Spoken } from "../model/sensevoice/ctc.ts";
import { prefixBeam } from "../model/sensevoice/prefixBeam.ts";
import { PROMPT_ROWS } from "../model/sensevoice/prompt.ts";
import type { Heard } from "../model/sensevoice/recognizer.ts";
import type { Tokenizer } from "../model/sensevoice/tokenizer.ts";
import { show } from "../options.ts";
import { ContextGraph, type ContextWord } from "./contextGraph.ts";

/** A word or phrase that is likely to be said, and its boost in nats a token; 1.5 unless given. */
export type Hotword = string | { readonly text: string; readonly boost?: number };

/** How these were chosen: docs/words.md. */
const BOOST = 1.5;
const BEAM = 16;
/** Best tokens of each row that a text may be made of. */
export const HOTWORD_K = 16;
const MAX_BOOST = 100;

/** What the hotwords of an engine's last run were, and what was made of them: segments of a recording share them. */
const last = new WeakMap<Tokenizer, { readonly key: string; readonly graph: ContextGraph }>();

/**
 * What rewards the hotwords in a beam search; undefined for no list, or an empty one.
 *
 * Each word is spelled as the model may write it: as given, in lower case, with a capital; where a word begins (`▁` in
 * front) and at the start of a text or behind a script without spaces. In Latin letters and figures it must be a whole
 * word: "car" is not rewarded in "card".
 *
 * @throws SenseVoiceError for a list that is none, or a word that the vocabulary cannot spell
 */
export function hotwordGraph(hotwords: unknown, tokenizer: Tokenizer): ContextGraph | undefined {
  if (hotwords === undefined) return undefined;
  if (!Array.isArray(hotwords)) throw fail("a list of words", hotwords);
  const words = hotwords.map(checkHotword);
  if (words.length === 0) return undefined;
  const key = JSON.stringify(words);
  const known = last.get(tokenizer);
  if (known?.key === key) return known.graph;
  const spelled = words.flatMap(({ text, boost }) => spell(text, tokenizer).map((tokens) => ({ tokens, boost })));
  const graph = createGraph(spelled, tokenizer);
  last.set(tokenizer, { key, graph });
  return graph;
}

/** The text that was said, hotwords preferred; the four rows that answer the prompt stay as they are. */
export async function withHotwords(heard: Heard, graph: ContextGraph): Promise<Spoken> {
  const k = heard.top.length / heard.ids.length / 2;
  const rows = heard.top.subarray(PROMPT_ROWS * 2 * k);
  const said = await prefixBeam(rows, heard.ids[PROMPT_ROWS - 1], { k, beam: BEAM, context: graph });
  if (!said) return greedy(heard);
  const tags = greedy({ ids: heard.ids.subarray(0, PROMPT_ROWS), logProbs: heard.logProbs });
  return { tokens: [...tags.tokens, ...said.tokens], logProbs: [...tags.logProbs, ...said.logProbs] };
}

function checkHotword(word: unknown): { text: string; boost: number } {
  const { text, boost = BOOST } = typeof word === "string" ? { text: word } : ((word ?? {}) as Record<string, unknown>);
  if (typeof text !== "string") throw fail("words, or objects with a text", word);
  if (text.trim() === "") throw fail("words", text);
  if (!(typeof boost === "number" && boost > 0 && boost <= MAX_BOOST)) {
    throw fail(`for "${text}" a boost above 0, at most ${MAX_BOOST}`, boost);
  }
  return { text: text.normalize("NFC").trim().replace(/\s+/gu, " "), boost };
}

/** The ways to write a word in tokens, each once. */
function spell(text: string, tokenizer: Tokenizer): number[][] {
  const capital = text.replace(/^./u, (first) => first.toUpperCase());
  const cases = [...new Set([text, text.toLowerCase(), capital])];
  const spellings = cases.flatMap((word) => [tokenizer.encode(word), tokenizer.encode(`▁${word}`)]);
  const known = spellings.filter((tokens) => !tokens.includes(tokenizer.unknown));
  if (known.length > 0) return [...new Map(known.map((tokens) => [tokens.join(), tokens])).values()];
  const missing = [...text].filter((character) => tokenizer.encode(character).includes(tokenizer.unknown));
  throw new SenseVoiceError(`[engine] hotwords: the vocabulary cannot spell "${text}": it has no ${missing.join(" ")}`);
}

/** What is written without spaces between letters of one word. */
const LETTER = /[\p{Script=Latin}\p{N}]/u;

function createGraph(words: readonly ContextWord[], tokenizer: Tokenizer): ContextGraph {
  const edges = new Map<number, { readonly begins: boolean; readonly ends: boolean }>();
  /** Whether a piece begins, and ends, with a letter. */
  const edgesOf = (token: number) => {
    let found = edges.get(token);
    if (!found) {
      const characters = [...tokenizer.piece(token)];
      found = { begins: LETTER.test(characters[0] ?? ""), ends: LETTER.test(characters.at(-1) ?? "") };
      edges.set(token, found);
    }
    return found;
  };
  return new ContextGraph(words, (before, after) => {
    return before === undefined || !(edgesOf(before).ends && edgesOf(after).begins);
  });
}

function fail(expected: string, got: unknown): SenseVoiceError {
  return new SenseVoiceError(`[engine] hotwords: expected ${expected}, got ${show(got)}`);
}
