import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { batchesOf, hearInBatches, pipelined } from "../../src/speech/batches.ts";

const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

describe("batchesOf", () => {
  test("clips of similar length, the longest first, up to the sum; a longer one by itself", () => {
    expect(batchesOf([3, 9, 1, 4, 20, 2], 10)).toEqual([[4], [1], [3, 0, 5, 2]]);
    expect(batchesOf([5, 5, 5], 10)).toEqual([[0, 1], [2]]);
    expect(batchesOf([1, 2], 0)).toEqual([[1], [0]]);
    expect(batchesOf([], 10)).toEqual([]);
  });

  test("every clip is in one batch; no batch is too long, or could take the next one's first clip", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 })), fc.integer({ min: 0, max: 100 }), (lengths, most) => {
        const batches = batchesOf(lengths, most);
        const sum = (batch: readonly number[]) => batch.reduce((total, clip) => total + lengths[clip], 0);
        expect(batches.flat().sort((a, b) => a - b)).toEqual([...lengths.keys()]);
        const sorted = batches.flat().map((clip) => lengths[clip]);
        expect(sorted).toEqual(lengths.toSorted((a, b) => b - a));
        for (const [i, batch] of batches.entries()) {
          if (batch.length > 1) expect(sum(batch)).toBeLessThanOrEqual(most);
          if (i > 0) expect(sum(batches[i - 1]) + lengths[batch[0]]).toBeGreaterThan(most);
        }
      }),
    );
  });
});

describe("pipelined", () => {
  /** Numbers as work, and what happened to them. */
  function watched(count: number) {
    const events: string[] = [];
    const waiting = Array.from({ length: count }, (_, i) => i);
    const source = { ready: () => undefined, take: () => waiting.shift() };
    const ends: (() => void)[] = [];
    const work = (item: number) => {
      events.push(`begin ${item}`);
      return new Promise<number>((resolve) => {
        ends[item] = () => {
          events.push(`end ${item}`);
          resolve(item);
        };
      });
    };
    return { events, source, work, ends };
  }

  test("two are under way at a time, the first two at once; results come in order", async () => {
    const { events, source, work, ends } = watched(3);
    const results = pipelined(source, work);
    const first = results.next();
    expect(events).toEqual(["begin 0", "begin 1"]);
    ends[1]();
    await turn();
    expect(events).toEqual(["begin 0", "begin 1", "end 1"]);
    ends[0]();
    expect(await first).toEqual({ value: 0, done: false });
    const second = results.next();
    await turn();
    expect(events.at(-1)).toBe("begin 2");
    expect(await second).toEqual({ value: 1, done: false });
    ends[2]();
    expect(await results.next()).toEqual({ value: 2, done: false });
    expect(await results.next()).toEqual({ value: undefined, done: true });
  });

  test("a source that is not ready does not hold back a result", async () => {
    let given = false;
    const never = new Promise<void>(() => {});
    const source = {
      ready: () => (given ? never : undefined),
      take: () => {
        given = true;
        return 7;
      },
    };
    const results = pipelined(source, async (item) => item);
    expect(await results.next()).toEqual({ value: 7, done: false });
  });

  test("an abort ends the wait for a source", async () => {
    const controller = new AbortController();
    const source = { ready: () => new Promise<void>(() => {}), take: () => 1 };
    const next = pipelined(source, async (item) => item, controller.signal).next();
    controller.abort(new Error("enough"));
    await expect(next).rejects.toThrow("enough");
  });
});

describe("hearInBatches", () => {
  const clips = [3, 1, 2, 9, 4].map((length) => new Float32Array(length));

  test("results are in the order of the clips", async () => {
    const heard: number[][] = [];
    const hear = async (batch: readonly Float32Array[]) => {
      heard.push(batch.map(({ length }) => length));
      return batch.map(({ length }) => `${length} samples`);
    };
    expect(await hearInBatches(clips, 5, hear)).toEqual(clips.map(({ length }) => `${length} samples`));
    expect(heard).toEqual([[9], [4], [3, 2], [1]]);
    expect(await hearInBatches([], 5, hear)).toEqual([]);
  });

  test("the first error is the outcome, and no batch is begun behind it", async () => {
    let begun = 0;
    const hear = async (batch: readonly Float32Array[]) => {
      begun++;
      await turn();
      if (batch.length === 2) throw new Error("no memory");
      return batch;
    };
    await expect(hearInBatches([...clips, ...clips, ...clips], 6, hear)).rejects.toThrow("no memory");
    const before = begun;
    await turn();
    await turn();
    expect(begun).toBe(before);
    expect(begun).toBeLessThan(10);
  });
});
