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
  /** The bonus since the last word that was completed on the way: given back if the match fails. */
  owed: number;
  /** What of it stays if another word begins behind: the bonus of the longest word that ends here. */
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
 *     gain = owed(s′) − owed(s) + kept,   owed(s′) = owed(parent of s′) + boost, or boost behind a complete word.
 *
 * kept is owed(s) if a word ends in s and another begins with the token; else 0. A trie with fail arcs (Aho and
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
      state.kept = state.ends ? state.owed : state === this.root ? 0 : state.fail.kept;
      for (const [token, next] of state.next) {
        next.owed = next.boost + (state.ends && parts(state.token, token) ? 0 : state.owed);
        next.fail = state === this.root ? this.root : this.#follow(state.fail, state.token, token);
        queue.push(next);
      }
    }
  }

  /** The state after one more token, and what it gains. `before` is the token before it. */
  step(state: ContextState, before: number | undefined, token: number): { state: ContextState; gain: number } {
    const next = this.#follow(state, before, token);
    let kept = 0;
    if (this.#parts(before, token)) {
      const goesOn = state.next.get(token) === next;
      kept = goesOn ? (state.ends ? state.owed : 0) : state.kept;
    }
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
