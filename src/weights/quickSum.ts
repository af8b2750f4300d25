/**
 * A sum of a file in which every damaged byte shows, ten times as fast as SHA-256 in JavaScript: h ← h · 16777619 xor w
 * over the words of 32 bits, zeros behind the last. No help against an attacker. (FNV-1 over words.)
 */
export function createQuickSum(): { update(bytes: Uint8Array): void; digest(): number } {
  let sum = 0x811c9dc5 | 0;
  let length = 0;
  const word = new Uint8Array(4);
  const wordView = new Int32Array(word.buffer);
  return {
    update(bytes) {
      let at = 0;
      for (; length % 4 && at < bytes.length; at++) {
        word[length++ % 4] = bytes[at];
        if (length % 4 === 0) sum = fold(sum, wordView);
      }
      const whole = (bytes.length - at) & ~3;
      const start = bytes.byteOffset + at;
      const aligned = start % 4 === 0;
      sum = fold(
        sum,
        aligned ? new Int32Array(bytes.buffer, start, whole / 4) : new Int32Array(bytes.slice(at, at + whole).buffer),
      );
      length += whole;
      for (at += whole; at < bytes.length; at++) word[length++ % 4] = bytes[at];
    },
    digest() {
      const rest = length % 4;
      const all = rest ? fold(sum, Int32Array.of(wordView[0] & ((1 << (rest * 8)) - 1))) : sum;
      return (Math.imul(all, 0x01000193) ^ length) >>> 0;
    },
  };
}

/** Chromium 143 is slow to optimise the same loop with an index: a cold load of 240 MB took 2 s instead of 1.3. */
function fold(sum: number, words: Int32Array): number {
  let h = sum;
  for (const word of words) h = Math.imul(h, 0x01000193) ^ word;
  return h;
}
