const words = (text: string): string[] => text.split(" ");

/** Numbers as text that readers of JSON, YAML and options have trouble with. */
export const NUMBER_TEXTS: readonly string[] = [
  ...words("0 -0 1 -1 2 3 4 8 0.5 1.5 10 64 100 255 256 1000 65536 1e15 2147483647 2147483648"),
  ...words("4294967295 4294967296 9007199254740991 9007199254740993 1e999 -1e999 1e-999 -5 0x10 1_000"),
  ...words("NaN Infinity -Infinity .inf .nan ٣"),
  " 5 ",
];

/** Aliases of YAML, each level twice the one before: a reader that expands them has no room for the last. */
function aliasBomb(): string {
  const levels = Array.from({ length: 25 }, (_, i) => `k${i + 1}: &k${i + 1} [*k${i}, *k${i}]`);
  return `{k0: &k0 [x, x], ${levels.join(", ")}}`;
}

/** Many of one thing: a reader that looks through all of them for each takes time with the square. */
function many(count: number, text: (i: number) => string): string {
  return `{${Array.from({ length: count }, (_, i) => text(i)).join(", ")}}`;
}

/** JSON of other types than are expected, and strings that do harm where they are shown, looked up or opened. */
export const JSON_TEXTS: readonly string[] = [
  ...words('null true false [] {} "" [[]] "0" "1" "int4" "int8" "channel" "group" "dynamic" "kmeans" "nf4"'),
  ...words('"__proto__" "constructor" "toString" "hasOwnProperty" "../x" ".." "." "/" "a/b" "a\\\\b" "-"'),
  ...words('"\\u001b[2J" "\\u0000" "\\n" "\\r\\nerror:" "\\u2028" "\\ud800" "\\u202e" "\\u0085" "*" "*.*"'),
  `"${"x".repeat(3000)}"`,
];

/** Text that is no JSON, or more than there should be of it. */
export const WEIRD_TEXTS: readonly string[] = [
  ...words("~ undefined __proto__ constructor ' \" # *a !!binary !!float | >- \ufeff \u0085 \u001b[31m \u0000 \t"),
  ...["&a *a", "<<: *a", "&a [*a]", "!<x> y", "? ", "\n", "\r", "%YAML 9.9\n---\n", "---\n", "...\n"],
  "x".repeat(70_000),
  aliasBomb(),
  many(30_000, (i) => `k${i}: 1`),
  many(6000, (i) => `k${i}: &a${i} [${i ? `*a${i - 1}` : ""}]`),
  many(30_000, (i) => `"k${i}": 1`),
];

/** Arguments that nobody means, but that an unset variable or a slip of the pen makes. */
export const WEIRD_ARGUMENTS: readonly string[] = [
  ...words("- -- . ./ .. ../ ~ * nothing-here nothing-here/x clip.wav/x clip.wav notes.txt input link dangling"),
  ...words("/dev/null /dev/null/x /proc/self/x /proc/nothing/x toy toy/ ./toy funasr converted new home"),
  ...words("tiny small auto cpu webgpu wasm reference int4 --help --version --out --output --model --scheme -x"),
  ...words("--limit --threads --format --baseline --policy --calibrate --name é 🙂 \u001b[31mred tab\there"),
  ...["", " ", "two\nlines", "\u202eabc", "x".repeat(300), "x".repeat(5000)],
];
