import { describe, expect, test } from "vitest";
import { labelsOf } from "../../src/speakers/known.ts";
import { OnlineSpeakers } from "../../src/speakers/online.ts";
import { byAppearance } from "../../src/speakers/turn.ts";
import { cosine, unit } from "../../src/speakers/vectors.ts";
import { talk } from "../support/speakers.ts";

/** Windows in stretches of one turn each, as a pause after each speaker makes them. */
function stretches({ embeddings, truth }: ReturnType<typeof talk>) {
  const parts: { embeddings: Float32Array[]; truth: number[] }[] = [];
  for (const [i, embedding] of embeddings.entries()) {
    const last = parts.at(-1);
    if (last && last.truth[0] === truth[i]) {
      last.embeddings.push(embedding);
      last.truth.push(truth[i]);
    } else parts.push({ embeddings: [embedding], truth: [truth[i]] });
  }
  return parts;
}

describe("OnlineSpeakers", () => {
  test("each voice keeps its number, given when it is first heard", () => {
    for (const voices of [1, 2, 3, 4]) {
      const online = new OnlineSpeakers();
      const parts = stretches(talk({ voices, windows: 120, seed: voices, within: 0.75, between: 0.1 }));
      const labels = parts.flatMap(({ embeddings }) => {
        const { labels, renumbered } = online.add(embeddings);
        expect(renumbered).toEqual([]);
        return labels;
      });
      expect(labels).toEqual(byAppearance(parts.flatMap(({ truth }) => truth)));
      expect(online.centres.length).toBe(voices);
    }
  });

  test("two voices in one stretch", () => {
    const { embeddings, truth } = talk({ voices: 2, windows: 12, seed: 5, within: 0.8 });
    expect(new OnlineSpeakers().add(embeddings).labels).toEqual(byAppearance(truth));
  });

  test("no more speakers than are given", () => {
    for (const speakers of [1, 2]) {
      const online = new OnlineSpeakers({ speakers });
      const parts = stretches(talk({ voices: 4, windows: 80, seed: 6 }));
      const labels = parts.flatMap(({ embeddings }) => online.add(embeddings).labels);
      expect(new Set(labels).size).toBe(speakers);
    }
  });

  test("two speakers that turn out to be one become the lower number, once, and only after 12 s of each", () => {
    const { embeddings } = talk({ voices: 1, windows: 60, seed: 3, within: 0.7 });
    // The voice first sounds like another: each window leans to one side, then less and less.
    const side = talk({ voices: 1, windows: 1, seed: 4 }).embeddings[0];
    const leaning = (i: number, share: number) => {
      const [own, to] = [unit(embeddings[i]), unit(side)];
      return Float32Array.from(own, (value, j) => value + share * to[j]);
    };
    const online = new OnlineSpeakers();
    expect(online.add([0, 1, 2, 3].map((i) => leaning(i, 0))).labels).toEqual([0, 0, 0, 0]);
    expect(online.add([4, 5, 6].map((i) => leaning(i, 1.6))).labels).toEqual([1, 1, 1]);
    const heard = [];
    for (let i = 7; i < 59; i += 2) {
      const { labels, renumbered } = online.add([leaning(i, 0.3), leaning(i + 1, 0.3)]);
      heard.push(...renumbered);
      if (renumbered.length > 0) expect(new Set(labels)).toEqual(new Set([0]));
    }
    const [first] = online.centres;
    expect(first).not.toBeNull();
    expect(heard).toEqual(online.centres[1] === null ? [{ from: 1, to: 0 }] : []);
  });
});

describe("known people", () => {
  const { embeddings, truth } = talk({ voices: 3, windows: 60, seed: 12, within: 0.6, between: 0.1 });
  const own = (voice: number) => embeddings.filter((_, i) => truth[i] === voice);
  const [anna, bela] = [own(0), own(1)].map((all, i) => ({
    name: ["Anna", "Béla"][i],
    embeddings: all.slice(0, 3),
  }));
  const centres = [own(2), own(0).slice(3), own(1).slice(3)].map((all) => {
    return all[0].map((_, i) => all.reduce((sum, embedding) => sum + embedding[i], 0) / all.length);
  });

  test("speakers have the names of those enrolled, the others numbers", () => {
    expect(labelsOf(centres, [anna, bela])).toEqual(["S1", "Anna", "Béla"]);
    expect(labelsOf(centres)).toEqual(["S1", "S2", "S3"]);
    expect(labelsOf(centres, [anna, bela], 1)).toEqual(["S1", "S2", "S3"]);
    expect(labelsOf([], [anna])).toEqual([]);
  });

  test("a name is given once, to the speaker it fits best", () => {
    const near = centres[1].map((value, i) => value + 0.4 * centres[0][i]);
    expect(cosine(near, centres[1])).toBeGreaterThan(0.8);
    expect(labelsOf([near, centres[1]], [anna])).toEqual(["S1", "Anna"]);
    expect(labelsOf([centres[1], near], [anna, { ...bela, name: "Anna" }])).toEqual(["Anna", "S2"]);
  });
});
