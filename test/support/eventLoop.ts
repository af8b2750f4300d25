/** Does some work and tells how long it took and the longest that the event loop waited meanwhile, in ms. */
export async function watchEventLoop(
  work: () => Promise<unknown>,
): Promise<{ longest: number; total: number }> {
  const start = performance.now();
  let [last, longest] = [start, 0];
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  await work();
  clearInterval(timer);
  return { longest, total: performance.now() - start };
}
