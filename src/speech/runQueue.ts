/**
 * Runs in the order of the calls: while the device computes one, the next is made ready, and recorded behind it. A
 * fourth waits, so that runs that were aborted, whose work goes on, do not pile up.
 */
export class RunQueue {
  readonly #host = new Turns();
  readonly #device = new Turns();
  /** The ends of the last three runs: two passes of a batch, and a run that was asked for meanwhile. */
  #ends: readonly Promise<void>[] = [Promise.resolve(), Promise.resolve(), Promise.resolve()];

  /**
   * @param prepare what the caller's thread does before the device is needed
   * @param use calls `onRecorded` once others may record their work, or ends
   */
  async run<P, R>(prepare: () => Promise<P>, use: (prepared: P, onRecorded: () => void) => Promise<R>): Promise<R> {
    const [host, device] = [this.#host.enter(), this.#device.enter()];
    const [thirdLast, ...others] = this.#ends;
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#ends = [...others, ended];
    try {
      await host.turn;
      const prepared = await prepare();
      host.leave();
      await Promise.all([device.turn, thirdLast]);
      return await use(prepared, device.leave);
    } finally {
      host.leave();
      device.leave();
      end();
    }
  }
}

/** Who asks first has the first turn. */
class Turns {
  #last: Promise<void> = Promise.resolve();

  /** A place in the queue: wait for `turn`, and call `leave` in any case; twice does no harm. */
  enter(): { readonly turn: Promise<void>; readonly leave: () => void } {
    const turn = this.#last;
    let next = () => {};
    this.#last = new Promise((resolve) => {
      next = resolve;
    });
    return { turn, leave: () => void turn.then(next) };
  }
}
