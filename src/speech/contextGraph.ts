/** A word as tokens, and what each of them is worth. */
export interface ContextWord {
  readonly tokens: readonly number[];
  /** Nats a token. */
  readonly boost: number;
}

/** How much of which word the last tokens of a text are. */
export interface ContextState {
  /** The last of them; undefined if they begin no word. */
  readonly token: number | undefined;
  readonly next: Map<number, ContextState>;
  boost: number;
  /** Whether a word ends here. */
  ends: boolean;
  /** The bonus so far, less that of words that were completed on the way: given back if the match fails. */
  owed: number;
  /** What of it stays if another word begins behind: the bonus of the word that ends here, of several the largest. */
  kept: number;
  /** The state of the longest proper suffix that begins a word too. */
  fail: ContextState;
}

/** Whether a word may end and another begin between two tokens; `before` is undefined where a text starts. */
export type Parts = (before: number | undefined, after: number) => boolean;

/**
 * Finds words in a growing text. Each of their tokens has a bonus at once, so that a beam search does not lose them;
 * where a match fails the bonus is given back, down to that of the words that were complete. A token leads from s to s′:
 *
 *     gain = owed(s′) − owed(s) + kept(s),   owed(s′) = owed(p) + boost − kept(p), p the parent of s′ in the trie.
 *
 * kept counts only if a word ends in the state and another begins with the token. A trie with fail arcs (Aho and
 * Corasick 1975), as in WeNet's and sherpa's context graphs; they do not ask where words end.
 */
export class ContextGraph {
  readonly root: ContextState;
  readonly #parts: Parts;

  constructor(words: readonly ContextWord[], parts: Parts) {
    this.#parts = parts;
    this.root = createState(undefined);
    for (const { tokens, boost } of words) {
      let state = this.root;
      for (const token of tokens) {
        const next = state.next.get(token) ?? createState(token);
        next.boost = Math.max(next.boost, boost);
        state.next.set(token, next);
        state = next;
      }
      state.ends = true;
    }
    const queue = [this.root]; // breadth first: a fail arc leads to a shorter match
    for (const state of queue) {
      state.kept = Math.max(state.ends ? state.owed : 0, state.fail.kept);
      for (const [token, next] of state.next) {
        next.owed = next.boost + state.owed - (parts(state.token, token) ? state.kept : 0);
        next.fail = state === this.root ? this.root : this.#follow(state.fail, state.token, token);
        queue.push(next);
      }
    }
  }

  /** The state after one more token, and what it gains. `before` is the token before it. */
  step(state: ContextState, before: number | undefined, token: number): { state: ContextState; gain: number } {
    const next = this.#follow(state, before, token);
    const kept = this.#parts(before, token) ? state.kept : 0;
    return { state: next, gain: next.owed - state.owed + kept };
  }

  /** What the text's end gains: a match that is not complete is given back. */
  end(state: ContextState): number {
    return state.kept - state.owed;
  }

  #follow(from: ContextState, before: number | undefined, token: number): ContextState {
    for (let state = from; ; state = state.fail) {
      const next = state.next.get(token);
      if (next && (state !== this.root || this.#parts(before, token))) return next;
      if (state === this.root) return this.root;
    }
  }
}

function createState(token: number | undefined): ContextState {
  const state = { token, next: new Map(), boost: 0, ends: false, owed: 0, kept: 0 };
  return Object.assign(state, { fail: state as ContextState });
}
