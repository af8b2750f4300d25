/** `01:01:01.002`: hours, minutes, seconds and milliseconds, as WebVTT, SubRip and Whisper write times. */
export function clock(seconds: number, decimalMark: "." | "," = "."): string {
  const total = milliseconds(seconds);
  const part = (unit: number, count: number) => String(Math.floor(total / unit) % count).padStart(2, "0");
  const hours = String(Math.floor(total / 3_600_000)).padStart(2, "0");
  const fraction = String(total % 1000).padStart(3, "0");
  return `${hours}:${part(60_000, 60)}:${part(1000, 60)}${decimalMark}${fraction}`;
}

/** `01:01.002`, with hours in front only where there are some. */
export function shortClock(seconds: number): string {
  return clock(seconds).replace(/^00:/, "");
}

export function milliseconds(seconds: number): number {
  return Math.round(seconds * 1000);
}
