/** What the host and assembly/ agree on. */

/** Columns of a panel of weights (assembly/tile.ts). */
export const PANEL = 8;
/** assembly/finish.ts */
export const FINISH_BYTES = 64;
/** assembly/convolve.ts */
export const GEOMETRY_FIELDS = 13;
/** assembly/weight.ts */
export const FORMATS = { f32: 0, f16: 1, codes: 2, int8: 3 } as const;
export const PRODUCTS = { i16: 0, pairs: 1, quads: 2 } as const;

/** How int8 products are made, and what is added to the int8 numbers of x for it: assembly/weight.ts. */
export interface Products {
  readonly kind: keyof typeof PRODUCTS;
  readonly offset: 0 | 128;
}

/** Int8 products, and for which numbers they come out right. */
export interface Int8Products extends Products {
  /** Bits of the weights. */
  readonly bits: 7 | 8;
  /** Only where no number of x is negative. */
  readonly positive?: boolean;
}
