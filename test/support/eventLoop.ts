import { existsSync, readFileSync } from "node:fs";

const SCHEDSTAT = "/proc/thread-self/schedstat";

/** Milliseconds that this thread has computed, where Linux tells, so that waiting for a core does not count; else of wall time. */
function clock(): number {
  if (!existsSync(SCHEDSTAT)) return performance.now();
  return Number(readFileSync(SCHEDSTAT, "utf8").split(" ")[0]) / 1e6;
}

/** Does some work and tells the longest that it held the event loop, in ms. */
export async function watchEventLoop(work: () => Promise<unknown>): Promise<{ longest: number }> {
  let [last, longest] = [clock(), 0];
  const look = () => {
    const now = clock();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(look, 1);
  await work();
  look();
  clearInterval(timer);
  return { longest };
}
