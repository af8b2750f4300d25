/** Bytes as characters of the same code: how containers write their marks. */
export function latin1(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return String.fromCharCode(...bytes.subarray(start, end));
}

/** All parts, one after another. */
export function join(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let end = 0;
  for (const part of parts) {
    out.set(part, end);
    end += part.length;
  }
  return out;
}

/** For a CRC of so many bits, high bits first, from 0: crc ← crc·2^8 ⊕ table[high byte of crc ⊕ byte]. */
export function crcTable(bits: number, polynomial: number): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << (bits - 8);
    for (let i = 0; i < 8; i++) crc = (crc << 1) ^ ((crc >>> (bits - 1)) & 1 ? polynomial : 0);
    return bits < 32 ? crc & (2 ** bits - 1) : crc;
  });
}
