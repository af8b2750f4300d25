import { describe, expect, test } from "vitest";
import { HttpError } from "../../src/server/httpError.ts";
import { Places } from "../../src/server/places.ts";

interface Batch {
  readonly items: readonly string[];
  readonly signal: AbortSignal;
  finish(): void;
  fail(error: Error): void;
}

/** Places whose batches end when the test says so. */
function createPlaces(options: Partial<ConstructorParameters<typeof Places>[0]> = {}) {
  const batches: Batch[] = [];
  const places = new Places<string, string>(
    { concurrency: 4, maxQueue: 4, batchSeconds: 60, ...options },
    (items, signal) => {
      return new Promise((resolve, reject) => {
        batches.push({ items, signal, finish: () => resolve(items.map((item) => item.toUpperCase())), fail: reject });
      });
    },
  );
  const hear = (item: string, about: { key?: string; seconds?: number; group?: string; signal?: AbortSignal } = {}) => {
    return places.hear(item, { key: "k", seconds: 5, group: "g", signal: new AbortController().signal, ...about });
  };
  return { places, batches, hear };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("places", () => {
  test("so many requests may be inside, the next gets 429 and when to try again", () => {
    const { places } = createPlaces({ concurrency: 1, maxQueue: 1 });
    const leave = places.enter("a");
    places.enter("a");
    const refused = (() => {
      try {
        places.enter("a");
      } catch (error) {
        return error as HttpError;
      }
    })();
    expect(refused).toBeInstanceOf(HttpError);
    expect(refused?.status).toBe(429);
    expect(refused?.options.retryAfter).toBeGreaterThanOrEqual(1);
    leave();
    leave(); // counts once
    places.enter("a");
    expect(() => places.enter("a")).toThrow("all 2 places");
  });

  test("a key that has half of the places leaves the others to other keys", () => {
    const { places } = createPlaces({ concurrency: 2, maxQueue: 4 });
    places.enter("b");
    for (let i = 0; i < 3; i++) places.enter("a");
    expect(() => places.enter("a")).toThrow("half of the places");
    places.enter("b");
    places.enter("c");
    expect(() => places.enter("d")).toThrow("all 6 places");
  });

  test("what waits is heard in one batch, if it asks the same and is short enough together", async () => {
    const { batches, hear } = createPlaces({ batchSeconds: 12 });
    const results = Promise.all([hear("a"), hear("b"), hear("c"), hear("d", { group: "other" })]);
    await turn();
    for (const i of [0, 1, 2]) {
      expect(batches).toHaveLength(i + 1); // one at a time
      batches[i].finish();
      await turn();
    }
    expect(batches.map(({ items }) => items)).toEqual([["a", "b"], ["c"], ["d"]]);
    expect(await results).toEqual(["A", "B", "C", "D"]);
  });

  test("no more sounds than places are on the device", async () => {
    const { places, batches, hear } = createPlaces({ concurrency: 2 });
    const results = Promise.all(["a", "b", "c"].map((item) => hear(item)));
    await turn();
    expect(places.active).toBe(2);
    expect(batches).toHaveLength(1);
    batches[0].finish();
    await turn();
    batches[1].finish();
    expect(await results).toEqual(["A", "B", "C"]);
    expect(places.active).toBe(0);
  });

  test("keys are served in rotation", async () => {
    const { batches, hear } = createPlaces({ concurrency: 1 });
    const order = [
      hear("a1", { key: "a" }),
      hear("a2", { key: "a" }),
      hear("a3", { key: "a" }),
      hear("b1", { key: "b" }),
      hear("c1", { key: "c" }),
    ];
    for (let i = 0; i < order.length; i++) {
      await turn();
      batches[i].finish();
    }
    await Promise.all(order);
    expect(batches.map(({ items }) => items[0])).toEqual(["a1", "b1", "c1", "a2", "a3"]);
  });

  test("who waits and is aborted leaves; who is heard and is aborted does not end the others", async () => {
    const { batches, hear, places } = createPlaces({ concurrency: 2 });
    const [first, second, third] = [new AbortController(), new AbortController(), new AbortController()];
    const heard = [first, second, third].map(({ signal }, i) => hear("abc"[i], { signal }));
    await turn();
    third.abort(new Error("c left"));
    await expect(heard[2]).rejects.toThrow("c left");
    first.abort(new Error("a left"));
    await expect(heard[0]).rejects.toThrow("a left");
    expect(batches[0].signal.aborted).toBe(false);
    batches[0].finish();
    expect(await heard[1]).toBe("B");
    await turn();
    expect(places.active).toBe(0);
    expect(batches).toHaveLength(1);
  });

  test("a batch that nobody wants any more is ended", async () => {
    const { batches, hear } = createPlaces();
    const gone = new AbortController();
    const heard = [hear("a", { signal: gone.signal }), hear("b", { signal: gone.signal })];
    await turn();
    gone.abort(new Error("gone"));
    expect((await Promise.allSettled(heard)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(batches[0].signal.aborted).toBe(true);
  });

  test("a batch that fails fails its sounds and frees its places", async () => {
    const { batches, hear, places } = createPlaces();
    const heard = Promise.allSettled([hear("a"), hear("b")]);
    await turn();
    batches[0].fail(new Error("the device is lost"));
    expect((await heard).map((outcome) => (outcome as PromiseRejectedResult).reason.message)).toEqual([
      "the device is lost",
      "the device is lost",
    ]);
    expect(places.active).toBe(0);
  });

  test("a long sound has a turn of its own", async () => {
    const { places, batches, hear } = createPlaces({ concurrency: 2 });
    const leave = await places.turn("k", new AbortController().signal);
    const heard = [hear("a"), hear("b")];
    await turn();
    expect(batches.map(({ items }) => items)).toEqual([["a"]]);
    leave();
    batches[0].finish();
    await turn();
    expect(batches.map(({ items }) => items)).toEqual([["a"], ["b"]]);
    batches[1].finish();
    expect(await Promise.all(heard)).toEqual(["A", "B"]);
  });
});
