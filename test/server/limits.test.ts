import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createLimits } from "../../src/server/limits.ts";

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }));
afterEach(() => void vi.useRealTimers());

/** How the call ended: "ok", or the answer and the seconds to wait. */
const outcome = (call: Promise<void>) =>
  call.then(
    () => "ok",
    (error) => `${error.status} ${error.options.code} ${error.options.retryAfter}`,
  );

test("a subject has its requests a minute, whatever others do", async () => {
  const limits = createLimits({ perMinute: 3 });
  const ask = (name: string, perMinute?: number) => outcome(limits.take(name, perMinute));
  expect([await ask("a"), await ask("a"), await ask("a")]).toEqual(["ok", "ok", "ok"]);
  vi.advanceTimersByTime(20_500);
  expect(await ask("a")).toBe("429 rate_limit_exceeded 40");
  expect(await ask("b")).toBe("ok");
  vi.advanceTimersByTime(39_499);
  expect(await ask("a")).toBe("429 rate_limit_exceeded 1");
  vi.advanceTimersByTime(2);
  expect(await ask("a")).toBe("ok");
});

test("a key's own limit holds instead of that for all; without any there is none", async () => {
  const limits = createLimits({ perMinute: 1 });
  for (let i = 0; i < 5; i++) expect(await outcome(limits.take("a", 5))).toBe("ok");
  await expect(limits.take("a", 5)).rejects.toThrow("expected at most 5 requests a minute; try again in 60 s");
  const free = createLimits({});
  for (let i = 0; i < 100; i++) expect(await outcome(free.take("a"))).toBe("ok");
  expect(await outcome(free.take("b", 1))).toBe("ok");
  expect(await outcome(free.take("b", 1))).toMatch("429");
});

test("after 20 wrong keys from an address there is 429 for the rest of the minute, before a key is looked at", async () => {
  const limits = createLimits({});
  const answers: string[] = [];
  let looked = 0;
  for (let i = 0; i < 10_000; i++) {
    try {
      await limits.checkAddress("192.0.2.7");
      looked++;
      await limits.failed("192.0.2.7");
      answers.push("401");
    } catch (error) {
      answers.push(String((error as { status: number }).status));
    }
  }
  expect(answers.slice(0, 20).every((status) => status === "401")).toBe(true);
  expect(answers.slice(20).every((status) => status === "429")).toBe(true);
  expect(looked).toBe(20);
  expect(await outcome(limits.checkAddress("192.0.2.8"))).toBe("ok");
  vi.advanceTimersByTime(59_000);
  expect(await outcome(limits.checkAddress("192.0.2.7"))).toBe("429 rate_limit_exceeded 1");
  vi.setSystemTime(Date.now() + 1001); // timers come late where there is much to do
  expect(await outcome(limits.checkAddress("192.0.2.7"))).toBe("ok");
});

test("of wrong keys that come at the same time no more than 20 are answered as such", async () => {
  const limits = createLimits({});
  const tries = Array.from({ length: 100 }, async () => {
    await limits.checkAddress("192.0.2.7");
    await limits.failed("192.0.2.7");
  });
  const ends = await Promise.all(tries.map(outcome));
  expect(ends.filter((end) => end === "ok").length).toBe(20);
});

test("an address of a network of IPv6 counts as any other of it, a mapped one as that of IPv4", async () => {
  const limits = createLimits({});
  for (let i = 0; i < 20; i++) await limits.failed(`2001:db8:1:2::${i.toString(16)}`);
  expect(await outcome(limits.checkAddress("2001:db8:1:2:ffff::1"))).toMatch("429");
  expect(await outcome(limits.checkAddress("2001:db8:1:3::1"))).toBe("ok");
  for (let i = 0; i < 20; i++) await limits.failed("::ffff:192.0.2.7");
  expect(await outcome(limits.checkAddress("192.0.2.7"))).toMatch("429");
  const one = createLimits({ perMinute: 1 });
  expect(await outcome(one.take("2001:db8::1"))).toBe("ok");
  expect(await outcome(one.take("2001:db8::2"))).toMatch("429");
  expect(await outcome(one.take("2130706433"))).toBe("ok"); // a name, not 127.0.0.1
  expect(await outcome(one.take("127.0.0.1"))).toBe("ok");
});

test("no more than 10 000 subjects are remembered at a time; who goes on asking is", async () => {
  const limits = createLimits({ perMinute: 2 });
  await limits.take("first");
  await limits.take("busy", 5000);
  for (let i = 0; i < 10_000; i++) {
    await limits.take(`other ${i}`);
    if (i % 100 === 0) await limits.take("busy", 5000);
  }
  expect(vi.getTimerCount()).toBeLessThanOrEqual(10_001); // one for each subject, one of the LRU's clock
  for (let i = 0; i < 2; i++) expect(await outcome(limits.take("first"))).toBe("ok"); // it was forgotten
  expect(await outcome(limits.take("busy", 101))).toMatch("429");
});
