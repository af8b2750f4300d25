import { createPause } from "../../pause.ts";
import { BLANK, type Spoken } from "./ctc.ts";

/** Rewards texts as they grow. S is what has to be known of a text. */
export interface Context<S> {
  readonly root: S;
  /** The state after one more token and what that gains, in nats; `before` is the token before it. */
  step(state: S, before: number | undefined, token: number): { state: S; gain: number };
  /** What the end of the text gains. */
  end(state: S): number;
}

/** The tokens so far, and ln of the probability of the best path to them that ends in a blank, or in the last token. */
interface Hypothesis<S> {
  readonly parent: Hypothesis<S> | undefined;
  readonly token: number | undefined;
  readonly state: S;
  readonly gained: number;
  readonly children: Map<number, Hypothesis<S>>;
  /** Largest ln p of the last token in a row that gave it. */
  best: number;
  blank: number;
  spoken: number;
  /** The same after the row that is being read. */
  nextBlank: number;
  nextSpoken: number;
}

/**
 * CTC prefix beam search: the text t of largest max ln p(path of t) + gain(t), with the paths through the k best tokens
 * of each row. After each row the `beam` best texts go on, and the one of largest ln p, so that a reward that does not
 * come cannot lose it. The event loop gets its turns meanwhile.
 *
 * The best path counts, not the sum of all (Graves et al. 2006, which WeNet takes): so without a reward the text is the
 * greedy one, always.
 *
 * @param top of each row k tokens, best first, then ln of their probabilities: f32 [rows, 2k]
 * @param before the token of the row before, which a first one that is equal goes on with; may be the blank
 * @returns undefined if the best text has no reward
 */
export async function prefixBeam<S>(
  top: Float32Array,
  before: number,
  { k, beam, context }: { readonly k: number; readonly beam: number; readonly context: Context<S> },
): Promise<Spoken | undefined> {
  const start = create<S>(undefined, before === BLANK ? undefined : before, context.root, 0);
  start.blank = 0;
  if (before !== BLANK) [start.blank, start.spoken] = [start.spoken, start.blank];
  let hypotheses = [start];
  const pause = createPause();
  for (let row = 0; row < top.length; row += 2 * k) {
    const reached = new Set(hypotheses);
    for (const hypothesis of hypotheses) {
      for (let i = 0; i < k; i++) {
        const next = extend(hypothesis, top[row + i], top[row + k + i], context);
        if (next) reached.add(next);
      }
    }
    hypotheses = select([...reached], beam);
    await pause();
  }
  const total = (h: Hypothesis<S>) => score(h) + context.end(h.state);
  const best = hypotheses.reduce((a, b) => (total(b) > total(a) ? b : a));
  return best.gained + context.end(best.state) > ROUNDING ? textOf(best) : undefined;
}

/** What sums of gains that cancel out may be off by. */
const ROUNDING = 1e-6;

function create<S>(parent: Hypothesis<S> | undefined, token: number | undefined, state: S, gained: number) {
  const none = { best: -Infinity, blank: -Infinity, spoken: -Infinity, nextBlank: -Infinity, nextSpoken: -Infinity };
  return { parent, token, state, gained, children: new Map<number, Hypothesis<S>>(), ...none };
}

/** Reads a token with ln of its probability behind a text. Returns the text that is one longer, if that is one. */
function extend<S>(from: Hypothesis<S>, token: number, logProb: number, context: Context<S>) {
  const either = Math.max(from.blank, from.spoken);
  if (token === BLANK) {
    from.nextBlank = Math.max(from.nextBlank, either + logProb);
    return undefined;
  }
  const again = token === from.token;
  if (again) {
    from.nextSpoken = Math.max(from.nextSpoken, from.spoken + logProb);
    from.best = Math.max(from.best, logProb);
  }
  const path = (again ? from.blank : either) + logProb; // the same token once more only behind a blank
  if (path === -Infinity) return undefined;
  let next = from.children.get(token);
  if (!next) {
    const { state, gain } = context.step(from.state, from.token, token);
    next = create(from, token, state, from.gained + gain);
    from.children.set(token, next);
  }
  next.nextSpoken = Math.max(next.nextSpoken, path);
  next.best = Math.max(next.best, logProb);
  return next;
}

/** The hypotheses that go on, moved to the next row. */
function select<S>(reached: Hypothesis<S>[], beam: number): Hypothesis<S>[] {
  for (const hypothesis of reached) {
    [hypothesis.blank, hypothesis.spoken] = [hypothesis.nextBlank, hypothesis.nextSpoken];
    [hypothesis.nextBlank, hypothesis.nextSpoken] = [-Infinity, -Infinity];
  }
  const likeliest = reached.reduce((a, b) => (logProbOf(b) > logProbOf(a) ? b : a));
  reached.sort((a, b) => score(b) - score(a));
  const dropped = reached.splice(beam);
  if (dropped.includes(likeliest)) reached.push(likeliest);
  for (const hypothesis of dropped) {
    if (hypothesis !== likeliest) hypothesis.parent?.children.delete(hypothesis.token as number);
  }
  return reached;
}

function logProbOf({ blank, spoken }: Hypothesis<unknown>): number {
  return Math.max(blank, spoken);
}

function score(hypothesis: Hypothesis<unknown>): number {
  return logProbOf(hypothesis) + hypothesis.gained;
}

function textOf(last: Hypothesis<unknown>): Spoken {
  const tokens: number[] = [];
  const logProbs: number[] = [];
  for (let h = last; h.parent; h = h.parent) {
    tokens.push(h.token as number);
    logProbs.push(h.best);
  }
  return { tokens: tokens.reverse(), logProbs: logProbs.reverse() };
}
