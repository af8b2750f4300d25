/** A piece of a cue's text and when it is spoken. Seconds, in whole milliseconds. */
export interface TimedText {
  /** With the space in front of it, if there is one and it does not open a line. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** What is on the screen from one moment to another: one or two lines of words. Seconds, in whole milliseconds. */
export interface Cue {
  readonly start: number;
  readonly end: number;
  readonly lines: readonly (readonly TimedText[])[];
  /** Whether the words' times were measured, not only shared out by characters. */
  readonly timed: boolean;
  /** Who says all of it, where that is known. */
  readonly speaker?: string;
}

export function lineText(line: readonly TimedText[]): string {
  return line.map(({ text }) => text).join("");
}
