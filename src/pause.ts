/** Milliseconds that long work may hold the caller's thread. */
const LONGEST = 4;

/** A function to await often in long work: it gives the event loop a turn whenever the last one was 4 ms ago. */
export function createPause(): () => Promise<void> | undefined {
  let last = performance.now();
  return () => {
    if (performance.now() - last < LONGEST) return undefined;
    return turn().then(() => {
      last = performance.now();
    });
  };
}

/** Resolves once the event loop has had a turn. A browser's setTimeout would take 4 ms. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") {
      setImmediate(resolve);
      return;
    }
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

/** The work's result; as soon as the signal is aborted, a rejection with its reason. The work itself goes on. */
export function untilAborted<R>(work: Promise<R>, signal: AbortSignal | undefined): Promise<R> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
