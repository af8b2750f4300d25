/** What is made while it runs, and ends with it. */
interface Owner {
  readonly owned: (() => void)[];
}

/** What runs again when a signal that it read changes. */
interface Effect extends Owner {
  run(): void;
  /** The readers of each signal that it read: to leave them all again. */
  readonly sources: Set<Set<Effect>>;
}

let owner: Owner | undefined;
let reader: Effect | undefined;

/** A value that effects follow. */
export class Signal<T> {
  #value: T;
  readonly #readers = new Set<Effect>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    if (reader) {
      this.#readers.add(reader);
      reader.sources.add(this.#readers);
    }
    return this.#value;
  }

  set value(next: T) {
    if (Object.is(this.#value, next)) return;
    this.#value = next;
    for (const follower of [...this.#readers]) if (this.#readers.has(follower)) follower.run();
  }

  /** The value, without following it. */
  peek(): T {
    return this.#value;
  }
}

/**
 * Runs `follow` now and whenever a signal that it read changes, until the owner in which it was made ends: an effect
 * that runs again, or a scope.
 */
export function effect(follow: () => void): void {
  const self: Effect = {
    sources: new Set(),
    owned: [],
    run() {
      end(self);
      within(self, self, follow);
    },
  };
  onCleanup(() => {
    end(self);
  });
  self.run();

  function end(effect: Effect): void {
    endAll(effect);
    for (const readers of effect.sources) readers.delete(effect);
    effect.sources.clear();
  }
}

/** Runs `make`, which follows nothing. Effects made in it go on until the function returned is called. */
export function scope(make: () => void): () => void {
  const self: Owner = { owned: [] };
  within(self, undefined, make);
  return () => endAll(self);
}

/** Runs `read` without following what it reads. */
export function untracked<T>(read: () => T): T {
  return within(owner, undefined, read);
}

/** Calls `clean` when the effect or the scope around it ends, or the effect runs again. */
export function onCleanup(clean: () => void): void {
  owner?.owned.push(clean);
}

function within<T>(newOwner: Owner | undefined, newReader: Effect | undefined, run: () => T): T {
  const before = [owner, reader] as const;
  [owner, reader] = [newOwner, newReader];
  try {
    return run();
  } finally {
    [owner, reader] = before;
  }
}

function endAll({ owned }: Owner): void {
  for (const stop of owned.splice(0)) stop();
}
