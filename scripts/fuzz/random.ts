/** Numbers that depend on nothing but the seed. */
export interface Random {
  /** A whole number from 0 to `count` − 1. */
  below(count: number): number;
  /** True once in `count` times. */
  oneIn(count: number): boolean;
  pick<T>(choices: readonly T[]): T;
  /** 1, 2, 3, …, each half as often as the one before; `most` at most. */
  few(most: number): number;
}

/** A generator for a seed of several parts: sfc32 (C. Doty-Humphrey, PractRand), its state from FNV-1a. */
export function createRandom(...seed: readonly (string | number)[]): Random {
  const state = Uint32Array.from({ length: 4 }, (_, i) => fnv1a(`${i}/${seed.join("/")}`));
  const next = (): number => {
    const sum = (state[0] + state[1] + state[3]++) >>> 0;
    state[0] = state[1] ^ (state[1] >>> 9);
    state[1] = state[2] + (state[2] << 3);
    state[2] = ((state[2] << 21) | (state[2] >>> 11)) + sum;
    return sum;
  };
  for (let i = 0; i < 12; i++) next();
  const below = (count: number): number => Math.floor((next() / 2 ** 32) * count);
  return {
    below,
    oneIn: (count) => below(count) === 0,
    pick: (choices) => choices[below(choices.length)],
    few(most) {
      let count = 1;
      while (count < most && below(2) === 0) count++;
      return count;
    },
  };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
