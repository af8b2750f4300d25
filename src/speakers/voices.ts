import { averageLinkage, type Group, type Merge, meanCosine, union } from "./linkage.ts";
import { byAppearance } from "./turn.ts";
import { addTo, dot, unit, type Vector } from "./vectors.ts";

export interface GroupOptions {
  /** How many voices there are, if that is known: that many are told apart, as far as there are windows. */
  readonly speakers?: number;
  /** From which likeness on two groups are one voice (`likeness`). */
  readonly sameVoice?: number;
}

/**
 * Of 0.65 to 0.85 the limit with the fewest wrong numbers of voices in made conversations (docs/speakers.md). Not tuned on real
 * recordings.
 */
export const SAME_VOICE = 0.75;

/** More groups than these are not compared all with all: that takes 32 MB. */
const MOST_GROUPS = 2000;
/** Of more, so many in a row become so many groups of the most alike first. */
const BLOCK = 1000;
const BLOCK_GROUPS = 100;
/** What a voice's windows are like until they say so themselves: a mean cosine, which counts as so many pairs. */
const USUAL = { cosine: 0.7, pairs: 2 };

/** A voice has at least so many windows: of many, one or two may be a noise, or two voices at once. */
function fewestWindows(n: number): number {
  return n < 20 ? 1 : n < 100 ? 2 : 3;
}

/**
 * The voice of each embedding, numbered by first appearance: agglomerative clustering by average linkage; from the top of
 * its tree two branches are two voices if their likeness is below `sameVoice`; branches of fewer windows than a voice has,
 * and sums of two other voices, are left out; then every window goes to the nearest centre. No chance is in it: the same embeddings have the same answer. Time
 * n², up to 2000 embeddings; more are grouped in blocks first, so that memory is 3 kB each and 32 MB.
 */
export function groupVoices(embeddings: readonly Vector[], options: GroupOptions = {}): number[] {
  const { speakers, sameVoice = SAME_VOICE } = options;
  if (embeddings.length === 0) return [];
  const units = embeddings.map(unit);
  const root = treeOf(condensed(units));
  const fewest = fewestWindows(units.length);
  const voices =
    speakers === undefined ? pure(unlikeBranches(root, fewest, sameVoice)) : branches(root, fewest, speakers);
  return byAppearance(nearestVoices(units, voices));
}

/** How alike the voices of two groups are: their mean cosine over the geometric mean of those within each; 1: one voice. */
export function likeness(a: Group, b: Group): number {
  const both = (cosinesWithin(a) + cosinesWithin(b) + USUAL.cosine * USUAL.pairs) / (pairs(a) + pairs(b) + USUAL.pairs);
  const within = (group: Group) => (cosinesWithin(group) + both * USUAL.pairs) / (pairs(group) + USUAL.pairs);
  return meanCosine(a, b) / Math.sqrt(Math.max(within(a) * within(b), 1e-9));
}

function pairs({ count }: Group): number {
  return (count * (count - 1)) / 2;
}

/** The sum of the cosines of all pairs in a group: of vectors of length 1, (|Σ|² − n) / 2. */
function cosinesWithin({ sum, count }: Group): number {
  return (dot(sum, sum) - count) / 2;
}

/** One group each, or, of more than can be compared at once, groups of those most alike among neighbours in time. */
function condensed(units: readonly Float64Array[]): Group[] {
  let groups: Group[] = units.map((sum) => ({ sum, count: 1 }));
  while (groups.length > MOST_GROUPS) {
    const starts = Array.from({ length: Math.ceil(groups.length / BLOCK) }, (_, i) => i * BLOCK);
    groups = starts.flatMap((start) => mostAlike(groups.slice(start, start + BLOCK), BLOCK_GROUPS));
  }
  return groups;
}

function mostAlike(groups: readonly Group[], count: number): Group[] {
  const nodes: (Group | null)[] = [...groups];
  const join = ({ a, b }: Merge) => {
    nodes.push(union(nodes[a] as Group, nodes[b] as Group));
    nodes[a] = nodes[b] = null;
  };
  averageLinkage(groups)
    .slice(0, Math.max(0, groups.length - count))
    .forEach(join);
  return nodes.filter((node) => node !== null);
}

/** A branch of the tree; a leaf has no parts. */
interface Branch extends Group {
  readonly parts?: readonly [Branch, Branch];
  readonly similarity: number;
}

function treeOf(groups: readonly Group[]): Branch {
  const nodes: Branch[] = groups.map((group) => ({ ...group, similarity: 1 }));
  for (const { a, b, similarity } of averageLinkage(groups)) {
    nodes.push({ ...union(nodes[a], nodes[b]), parts: [nodes[a], nodes[b]], similarity });
  }
  return nodes[nodes.length - 1];
}

/** What a branch falls into: its two parts, or the larger where the other is too small to be a voice. */
function split([a, b]: readonly [Branch, Branch], fewest: number): Branch[] {
  if (Math.min(a.count, b.count) >= fewest) return [a, b];
  return [a.count < b.count ? b : a];
}

function unlikeBranches(root: Branch, fewest: number, sameVoice: number): Branch[] {
  const found: Branch[] = [];
  const open = [root];
  for (let node = open.pop(); node; node = open.pop()) {
    const parts = node.parts ? split(node.parts, fewest) : [];
    if (parts.length === 1 || (parts.length === 2 && likeness(parts[0], parts[1]) < sameVoice)) open.push(...parts);
    else found.push(node);
  }
  return found;
}

/** From which correlation on with a sum of two larger voices a group is windows in which both are heard. */
const MIXTURE = 0.8;

/** Voices without those that are the sum of two larger ones: where speakers change within a window both are in it. */
function pure(voices: readonly Branch[]): Branch[] {
  const kept: Branch[] = [];
  for (const voice of [...voices].sort((a, b) => b.count - a.count)) {
    const isSum = kept.some((a, i) => kept.some((b, j) => j < i && correlation(voice, a, b) >= MIXTURE));
    if (!isSum) kept.push(voice);
  }
  return kept;
}

/** Multiple correlation of a group's voice with two others; 0 where it is no sum of both. */
function correlation(group: Group, a: Group, b: Group): number {
  const [withA, withB] = [likeness(group, a), likeness(group, b)];
  const ofBoth = Math.min(likeness(a, b), 0.99);
  const shareA = withA - ofBoth * withB;
  const shareB = withB - ofBoth * withA;
  if (shareA <= 0 || shareB <= 0) return 0;
  return Math.sqrt((shareA * withA + shareB * withB) / (1 - ofBoth ** 2));
}

/**
 * So many branches, those least alike parted first. Small ones, and then sums of others, count only where there are not
 * enough without.
 */
function branches(root: Branch, fewest: number, count: number): Branch[] {
  const open = [root];
  const enough = 4 * count + 20;
  while (open.length < enough) {
    const voices = fewest > 0 ? pure(open) : open;
    if (voices.length === count) return voices;
    const inner = open.filter(({ parts }) => parts);
    if (inner.length === 0) break;
    const loosest = inner.reduce((least, node) => (node.similarity < least.similarity ? node : least));
    open.splice(open.indexOf(loosest), 1, ...split(loosest.parts as readonly [Branch, Branch], fewest));
  }
  return fewest > 0 ? branches(root, fewest - 1, count) : open;
}

const ROUNDS = 10;

/** The nearest centre of each, centres being what is nearest to them, until nothing changes or ten times. */
function nearestVoices(units: readonly Float64Array[], voices: readonly Group[]): number[] {
  let centres = voices.map(({ sum }) => unit(sum));
  let labels: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const next = units.map((vector) => nearest(vector, centres));
    if (next.every((label, i) => label === labels[i])) break;
    labels = next;
    const sums = centres.map((centre) => new Float64Array(centre.length));
    for (const [i, vector] of units.entries()) addTo(sums[labels[i]], vector);
    centres = sums.map((sum, i) => (labels.includes(i) ? unit(sum) : centres[i]));
  }
  return labels;
}

/** The place of the vector that a vector is most alike, all of length 1: the first of several. */
export function nearest(vector: Vector, centres: readonly Vector[]): number {
  let best = 0;
  let most = Number.NEGATIVE_INFINITY;
  for (const [i, centre] of centres.entries()) {
    const alike = dot(vector, centre);
    if (alike > most) [best, most] = [i, alike];
  }
  return best;
}
