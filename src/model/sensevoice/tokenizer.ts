import { SenseVoiceError } from "../../error.ts";
import { type NormalizerSpec, PieceType, parseSentencePieceModel } from "./sentencepiece.ts";

/** Cuts text into the pieces of a SentencePiece unigram model and joins them again. */
export interface Tokenizer {
  /** Number of pieces, which is the number of rows of the CTC head. */
  readonly size: number;
  /** Ids of the tags by name: `tags.get("EMO_UNKNOWN")` is the id of the piece `<|EMO_UNKNOWN|>`. */
  readonly tags: ReadonlyMap<string, number>;
  /** Id of what the vocabulary cannot spell. */
  readonly unknown: number;
  /** Text of a piece. Throws if there is no such id. */
  piece(id: number): string;
  /** What a piece adds to the text it stands in: a space for `▁`, nothing for a control piece. Throws as `piece` does. */
  surface(id: number): string;
  /** Text of a sequence of ids: SentencePiece's DecodeIds. Throws if an id is not in the model. */
  decode(ids: Iterable<number>): string;
  /** Ids of the most probable segmentation of a text: SentencePiece's EncodeAsIds. */
  encode(text: string): number[];
  /** The same segmentation as pieces: EncodeAsPieces. A run of unknown characters is one piece. */
  encodePieces(text: string): string[];
}

/** SentencePiece writes a space as this character, U+2581. */
const SPACE = "▁";
/** What an unknown character costs below the least probable piece (kUnkPenalty). */
const UNK_PENALTY = 10;
const FLT_MAX = 3.4028234663852886e38;

interface TrieNode {
  /** The piece that ends here, or −1. */
  id: number;
  /** Nodes one character further; most nodes are leaves. */
  next?: Map<string, TrieNode>;
}

/**
 * A tokenizer from the bytes of a SentencePiece `.model` file. The algorithms are sentencepiece 0.2's
 * (unigram_model.cc, normalizer.cc, sentencepiece_processor.cc), float32 rounding and ties included.
 * Throws a SenseVoiceError if the file is damaged or holds another kind of model.
 */
export function createTokenizer(bytes: Uint8Array): Tokenizer {
  const { pieces, unkSurface, normalizer } = parseSentencePieceModel(bytes);
  const ids = new Map<string, number>();
  const tags = new Map<string, number>();
  for (const [id, { text }] of pieces.entries()) {
    if (ids.has(text)) throw new SenseVoiceError(`[tokenizer] piece ${id}: repeats piece ${ids.get(text)}`);
    ids.set(text, id);
    if (text.startsWith("<|") && text.endsWith("|>")) tags.set(text.slice(2, -2), id);
  }
  const unknowns = pieces.flatMap(({ type }, id) => (type === PieceType.unknown ? [id] : []));
  if (unknowns.length !== 1) {
    throw new SenseVoiceError(`[tokenizer] expected one piece of type unknown, got ${unknowns.length}`);
  }
  const unknown = unknowns[0];

  const normal = pieces.flatMap(({ type }, id) => (type === PieceType.normal ? [id] : []));
  const minScore = normal.reduce((least, id) => Math.min(least, pieces[id].score), FLT_MAX);
  const unkScore = Math.fround(minScore - UNK_PENALTY);
  const trie: TrieNode = { id: -1 };
  for (const id of normal) insert(trie, pieces[id].text, id);

  /** The best path through the lattice of pieces: for each step, its id and its text. */
  function segment(text: string): { id: number; text: string }[] {
    const characters = [...normalise(text, normalizer)];
    const length = characters.length;
    // Of the best path that ends before character i: its score, where its last piece starts, that piece's id.
    const best = new Float32Array(length + 1);
    const start = new Int32Array(length + 1).fill(-1);
    const last = new Int32Array(length + 1);
    const offer = (from: number, to: number, id: number, score: number): void => {
      if (start[to] !== -1 && !(score > best[to])) return;
      best[to] = score;
      start[to] = from;
      last[to] = id;
    };
    for (let from = 0; from < length; from++) {
      let node = trie.next?.get(characters[from]);
      if (!node || node.id < 0) offer(from, from + 1, unknown, Math.fround(unkScore + best[from]));
      for (let to = from + 1; node; to++) {
        if (node.id >= 0) offer(from, to, node.id, pieces[node.id].score + best[from]);
        node = to < length ? node.next?.get(characters[to]) : undefined;
      }
    }
    const path: { id: number; text: string }[] = [];
    for (let to = length; to > 0; to = start[to]) {
      const piece = characters.slice(start[to], to).join("");
      const following = path.at(-1);
      if (last[to] === unknown && following?.id === unknown) following.text = piece + following.text;
      else path.push({ id: last[to], text: piece });
    }
    return path.reverse();
  }

  function piece(id: number): string {
    if (pieces[id]) return pieces[id].text;
    throw new SenseVoiceError(`[tokenizer] id: expected 0 to ${pieces.length - 1}, got ${id}`);
  }

  function surface(id: number): string {
    const text = piece(id);
    const { type } = pieces[id];
    if (type === PieceType.control) return "";
    return type === PieceType.unknown ? unkSurface : text.replaceAll(SPACE, " ");
  }

  function decode(sequence: Iterable<number>): string {
    const stripFirst = normalizer.addDummyPrefix || normalizer.removeExtraWhitespaces;
    let text = "";
    let atStart = true;
    for (const id of sequence) {
      let added = surface(id);
      const { type, text: own } = pieces[id];
      if (type === PieceType.control) continue;
      if (stripFirst && atStart && type !== PieceType.unknown && own.startsWith(SPACE)) {
        added = added.slice(1);
        // Of several spaces in front, the dummy prefix is the first one; extra whitespace is all of them.
        if (!normalizer.removeExtraWhitespaces) atStart = false;
      }
      text += added;
      if (text !== "") atStart = false;
    }
    return text;
  }

  return {
    size: pieces.length,
    unknown,
    tags,
    piece,
    surface,
    decode,
    encode: (text) => segment(text).map(({ id }) => id),
    encodePieces: (text) => segment(text).map((step) => step.text),
  };
}

/** The text with its spaces as the model wants them (normalizer.cc with the identity map). */
function normalise(text: string, spec: NormalizerSpec): string {
  const space = spec.escapeWhitespaces ? SPACE : " ";
  let out = text;
  if (spec.removeExtraWhitespaces) out = out.replace(/ +/g, " ").replace(/^ /, "");
  if (out === "") return "";
  if (spec.addDummyPrefix) out = ` ${out}`;
  out = out.replaceAll(" ", space);
  if (!spec.removeExtraWhitespaces) return out;
  let end = out.length;
  while (end > 0 && out[end - 1] === space) end--;
  return out.slice(0, end);
}

function insert(root: TrieNode, text: string, id: number): void {
  let node = root;
  for (const character of text) {
    node.next ??= new Map();
    let next = node.next.get(character);
    if (!next) {
      next = { id: -1 };
      node.next.set(character, next);
    }
    node = next;
  }
  node.id = id;
}
