/**
 * An error that a user can act on. Its message is one line that says where, what, expected and got:
 * `[fsmn] weight: expected shape [512, 11], got [560, 11]`. The command line prints the message and
 * nothing else; any other error is a bug of ours and keeps its stack.
 *
 * Whatever file or server a part of the message came from, it is `oneLine`: safe to print on a terminal.
 */
export class SenseVoiceError extends Error {
  override readonly name = "SenseVoiceError";

  constructor(message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
  }
}

/** Characters of a message at most. */
const LONGEST = 500;

/**
 * A text as one line of at most 500 characters, without those that a terminal acts on: line breaks and tabs become
 * a space, other control characters, those that change the direction of text and halves of surrogate pairs U+FFFD.
 * Of a longer text the beginning and the end are kept.
 */
export function oneLine(text: string): string {
  // Cut first: what follows takes time with the square of a run of spaces, and makes nothing longer.
  const half = LONGEST / 2 - 2;
  const short = text.length > LONGEST ? `${text.slice(0, half + 1)} … ${text.slice(-half)}` : text;
  return short
    .replace(/\s*[\t-\r\x85\u2028\u2029]\s*/g, " ")
    .replace(/[\p{Cc}\p{Cs}\p{Bidi_Control}]/gu, "\ufffd")
    .trim();
}

/**
 * A value from a file, for a message: text in quotes, cut after 60 characters; numbers as they are; of all else only
 * what it is, since a list may be in itself, or so deep or so often shared that printing it would not end.
 */
export function quote(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === "symbol" || typeof value === "function") return `a ${typeof value}`;
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return value instanceof Map ? `a map of ${value.size}` : "an object";
}

/** Why something failed: the first line of what was thrown. Libraries add more lines, with parts of the input. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : typeof error === "string" ? error : quote(error);
  return oneLine(text.trimStart().split(/[\r\n]/, 1)[0]);
}
