/** Milliseconds that long work may hold the caller's thread. */
const LONGEST = 4;

/** A function to await often in long work: it gives the event loop a turn whenever the last one was 4 ms ago. */
export function createPause(): () => Promise<void> | undefined {
  let last = performance.now();
  return () => {
    if (performance.now() - last < LONGEST) return undefined;
    return new Promise((resolve) => {
      const goOn = () => {
        last = performance.now();
        resolve();
      };
      if (typeof setImmediate === "function") setImmediate(goOn);
      else setTimeout(goOn); // a browser
    });
  };
}
