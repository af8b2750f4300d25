/** What has been made, by one argument after another. Objects are held weakly: what belongs to a device goes with it. */
class Node {
  readonly byValue = new Map<unknown, unknown>();
  readonly byObject = new WeakMap<object, unknown>();

  of(key: unknown): { get(key: unknown): unknown; set(key: unknown, value: unknown): unknown } {
    return (typeof key === "object" && key !== null ? this.byObject : this.byValue) as Map<unknown, unknown>;
  }
}

/**
 * `make`, called once for each list of arguments (numbers, strings, booleans, or objects by identity), whose result is
 * kept. Kernels are made like this, one object for a variant:
 *
 *   const scaleKernel = memo((width: number): Kernel => ({ name: "scale", wgsl: scaleWgsl(width), reads: 1, writes: 1 }));
 */
export function memo<Args extends readonly unknown[], Made extends object>(
  make: (...args: Args) => Made,
): (...args: Args) => Made {
  const root = new Node();
  return (...args) => {
    let node = root;
    const last = args.length - 1;
    for (let i = 0; i < last; i++) {
      const children = node.of(args[i]);
      let child = children.get(args[i]) as Node | undefined;
      if (!child) {
        child = new Node();
        children.set(args[i], child);
      }
      node = child;
    }
    const found = node.of(args[last]).get(args[last]) as Made | undefined;
    if (found) return found;
    const made = make(...args);
    node.of(args[last]).set(args[last], made);
    return made;
  };
}
