import { NUMBER_TEXTS, WEIRD_ARGUMENTS } from "./dictionary.ts";
import type { Edit } from "./edits.ts";
import type { Random } from "./random.ts";

/** A case of the command line: its arguments as JSON in the first line, and behind it what is in the file `input`. */
export function splitCase(bytes: Uint8Array): { args: string[]; input: Uint8Array } {
  const end = bytes.indexOf(10);
  const head = Buffer.from(bytes.subarray(0, end < 0 ? bytes.length : end)).toString();
  const input = end < 0 ? new Uint8Array(0) : bytes.slice(end + 1);
  try {
    const args: unknown = JSON.parse(head);
    // An argument of a process cannot hold a NUL.
    if (Array.isArray(args)) return { args: args.map((arg) => String(arg).replaceAll("\0", "")), input };
  } catch {
    // Not a list of arguments any more; then it is one of itself.
  }
  return { args: head.replaceAll("\0", "").split('","'), input };
}

/** One argument is changed, doubled, left out or added. */
export function argumentEdit(random: Random, bytes: Uint8Array): Edit {
  const { args } = splitCase(bytes);
  const at = random.below(args.length + 1);
  const weird = random.pick([...WEIRD_ARGUMENTS, ...NUMBER_TEXTS]);
  const other = args[random.below(args.length)] ?? weird;
  const [remove, insert] = random.pick<[number, string[]]>([
    [1, [weird]],
    [0, [weird]],
    [1, []],
    [0, [other]],
    [1, [other]],
  ]);
  const mutated = JSON.stringify(args.toSpliced(at, remove, ...insert));
  const end = bytes.indexOf(10);
  return { at: 0, remove: end < 0 ? bytes.length : end, insert: Buffer.from(mutated) };
}
