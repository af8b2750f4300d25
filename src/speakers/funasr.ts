import { SenseVoiceError } from "../error.ts";
import { kMeans } from "./kmeans.ts";
import { spectral } from "./spectral.ts";
import { centresOf, cosine, unit, type Vector } from "./vectors.ts";
import { groupVoices } from "./voices.ts";

/** Fewer chunks are one speaker, in the reference. */
const FEWEST = 20;
/** From so many on the reference makes no N × N matrix: 25 minutes of speech. */
const MANY = 2048;
const MERGE_COSINE = 0.78;

/**
 * The label of each embedding as FunASR finds it: one speaker below 20, spectral clustering below 2048, k-means of rows of
 * length 1 for a given number from there on; without a given number clusters whose centres' cosine is 0.78 or more are merged.
 * Random starts are ours, and seeded: where voices are hard to tell the reference's answer depends on its own. For 2048
 * and more without a number the reference takes UMAP and HDBSCAN, which do not repeat; here they are grouped as by default.
 * Source: `ClusterBackend` in funasr/models/campplus/cluster_backend.py.
 * @param speakers how many there are, if that is known
 */
export function funasrLabels(embeddings: readonly Vector[], speakers?: number, seed = 0): number[] {
  const n = embeddings.length;
  if (n < FEWEST) return embeddings.map(() => 0);
  if (speakers !== undefined && !(Number.isInteger(speakers) && speakers >= 1 && speakers <= n)) {
    throw new SenseVoiceError(
      `speakers: expected a whole number from 1 to ${n}, the windows of speech, got ${speakers}`,
    );
  }
  if (n >= MANY && speakers === undefined) return mergeAlike(groupVoices(embeddings), embeddings);
  if (n >= MANY) return kMeans(embeddings.map(unit), speakers ?? 1, { seed, starts: 10 });
  const { labels } = spectral(embeddings, speakers, seed);
  return speakers === undefined ? mergeAlike(labels, embeddings) : [...labels];
}

/** Clusters joined two by two, those of the nearest centres first, as long as their cosine is 0.78 or more. */
export function mergeAlike(labels: readonly number[], embeddings: readonly Vector[], least = MERGE_COSINE): number[] {
  let merged = [...labels];
  for (;;) {
    const centres = centresOf(embeddings, merged);
    let best = { cosine: Number.NEGATIVE_INFINITY, first: 0, second: 0 };
    for (let first = 0; first < centres.length; first++) {
      for (let second = first + 1; second < centres.length; second++) {
        const alike = cosine(centres[first], centres[second]);
        if (alike > best.cosine) best = { cosine: alike, first, second };
      }
    }
    if (best.cosine < least) return merged;
    merged = merged.map((label) => (label === best.second ? best.first : label > best.second ? label - 1 : label));
  }
}
