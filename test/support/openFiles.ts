import { readdirSync } from "node:fs";
import { expect } from "vitest";

/** How many files this process has open; nothing where Linux does not tell. */
const count = () => (process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0);

/** Does some work, for the second time, so that what is opened once is open already: it must leave no file open. */
export async function expectNoFileLeftOpen(work: () => Promise<unknown>): Promise<void> {
  await work();
  const before = count();
  await work();
  expect(count(), "open files").toBe(before);
}
