/** $SENSEVOICE_DEBUG: 1 stacks of errors; 2 also what was chosen, and why, and the time of each GPU kernel; 3 also the WGSL of each kernel. */
export function debugLevel(): number {
  return typeof process === "undefined" ? 0 : Number(process.env.SENSEVOICE_DEBUG) || 0;
}

/** Prints to stderr from a level of debugging on. */
export function debug(level: 2 | 3, text: () => string): void {
  if (debugLevel() >= level) console.error(text());
}
