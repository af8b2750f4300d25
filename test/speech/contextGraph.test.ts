import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ContextGraph, type ContextWord, type Parts } from "../../src/speech/contextGraph.ts";

/** Tokens are letters, in capitals where they begin a word (`▁` in front). */
const tokensOf = (text: string) => [...text].map((letter) => letter.charCodeAt(0));
const words = (...list: [text: string, boost: number][]): ContextWord[] => {
  return list.map(([text, boost]) => ({ tokens: tokensOf(text), boost }));
};
const anywhere: Parts = () => true;
const atCapitals: Parts = (before, after) => before === undefined || after < 97;

/** What each token of a text gains, and its end. */
function gains(graph: ContextGraph, text: string): number[] {
  let state = graph.root;
  let before: number | undefined;
  const out = tokensOf(text).map((token) => {
    const step = graph.step(state, before, token);
    [state, before] = [step.state, token];
    return step.gain;
  });
  return [...out, graph.end(state)];
}
const total = (graph: ContextGraph, text: string) => gains(graph, text).reduce((sum, gain) => sum + gain, 0);

describe("context graph", () => {
  test("each token of a word gains; where the match fails all is given back", () => {
    const graph = new ContextGraph(words(["abc", 2]), anywhere);
    expect(gains(graph, "abc")).toEqual([2, 2, 2, 0]);
    expect(gains(graph, "abx")).toEqual([2, 2, -4, 0]);
    expect(gains(graph, "ab")).toEqual([2, 2, -4]);
    expect(gains(graph, "xabcx")).toEqual([0, 2, 2, 2, 0, 0]);
    expect(gains(graph, "abcabc")).toEqual([2, 2, 2, 2, 2, 2, 0]);
  });

  test("a match that fails may be the beginning of another one", () => {
    const graph = new ContextGraph(words(["abcd", 2], ["bce", 1]), anywhere);
    expect(gains(graph, "abce")).toEqual([2, 2, 2, -3, 0]); // a is given back, bc are worth 1 each, e is one more
    expect(gains(graph, "aabcd")).toEqual([2, 0, 2, 2, 2, 0]);
  });

  test("a word inside a longer one stays if that fails", () => {
    const graph = new ContextGraph(words(["ab", 1], ["abcd", 1]), anywhere);
    expect(total(graph, "abcd")).toBe(4);
    expect(total(graph, "abcx")).toBe(2);
    expect(total(graph, "abab")).toBe(4);
    const inside = new ContextGraph(words(["bc", 1], ["abcd", 2]), anywhere);
    expect(total(inside, "abcx")).toBe(2);
    expect(total(inside, "abcd")).toBe(8);
    expect(total(inside, "abc")).toBe(2);
  });

  test("a word inside a longer one may be worth more than that", () => {
    const graph = new ContextGraph(words(["bc", 9], ["abcd", 1]), anywhere);
    expect(total(graph, "abcx")).toBe(18);
    expect(total(graph, "abcd")).toBe(18);
    expect(total(graph, "ab")).toBe(0);
  });

  test("the larger boost counts where words begin alike, and where one is given twice", () => {
    const graph = new ContextGraph(words(["ab", 1], ["ac", 3], ["ab", 2]), anywhere);
    expect(gains(graph, "ab")).toEqual([3, 2, 0]);
    expect(gains(graph, "ac")).toEqual([3, 3, 0]);
  });

  test("a word neither begins nor ends inside of another one", () => {
    const graph = new ContextGraph(words(["Car", 1], ["CarPet", 1], ["art", 1]), atCapitals);
    expect(total(graph, "Car")).toBe(3);
    expect(total(graph, "CarX")).toBe(3);
    expect(total(graph, "Card")).toBe(0);
    expect(total(graph, "CarPet")).toBe(6);
    expect(total(graph, "CarPets")).toBe(3);
    expect(total(graph, "art")).toBe(3); // where the text begins
    expect(total(graph, "Cart")).toBe(0);
  });

  test("in total a text gains at least what its longest word is worth, at most what all are; without words nothing", () => {
    const letters = (longest: number) =>
      fc.array(fc.constantFrom(..."abAB"), { minLength: 1, maxLength: longest }).map((all) => all.join(""));
    fc.assert(
      fc.property(fc.array(letters(4), { minLength: 1, maxLength: 4 }), letters(10), (list, text) => {
        const graph = new ContextGraph(words(...list.map((word): [string, number] => [word, 1])), atCapitals);
        const all = gains(graph, text);
        const sum = all.reduce((a, b) => a + b, 0);
        const starts = (i: number) => i === 0 || atCapitals(text.charCodeAt(i - 1), text.charCodeAt(i));
        const found = [...new Set(list)].flatMap((word) =>
          [...text].flatMap((_, i) => {
            const end = i + word.length;
            return text.startsWith(word, i) && starts(i) && (end === text.length || starts(end)) ? [word.length] : [];
          }),
        );
        expect(sum).toBeGreaterThanOrEqual(Math.max(0, ...found));
        expect(sum).toBeLessThanOrEqual(found.reduce((a, b) => a + b, 0));
      }),
      { numRuns: 5000 },
    );
  });
});
