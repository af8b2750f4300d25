/**
 * An error that a user can act on. Its message is one line that says where, what, expected and got:
 * `[fsmn] weight: expected shape [512, 11], got [560, 11]`. The command line prints the message and
 * nothing else; any other error is a bug of ours and keeps its stack. Whatever a file or a server put into the message,
 * `oneLine` makes it safe to print.
 */
export class SenseVoiceError extends Error {
  override readonly name = "SenseVoiceError";

  constructor(message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
  }
}

/**
 * A text as one line of 500 characters at most, the beginning and the end of a longer one. Line breaks and tabs become a
 * space; other control characters, also of the direction of text, and halves of surrogate pairs become U+FFFD.
 */
export function oneLine(text: string): string {
  // Cut first: the first pattern takes time with the square of a run of spaces. Neither makes a text longer.
  const short = text.length > 500 ? `${text.slice(0, 249)} … ${text.slice(-248)}` : text;
  const line = short.replace(/\s*[\t-\r\x85\u2028\u2029]\s*/g, " ").trim();
  return line.replace(/[\p{Cc}\p{Cs}\p{Bidi_Control}]/gu, "\ufffd");
}

/**
 * A value from a file, for a message: text in quotes, cut after 60 characters; of lists and objects only what they are,
 * since they may hold themselves, or be so deep or so often shared that to print them would not end.
 */
export function quote(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return value instanceof Map ? `a map of ${value.size}` : "an object";
}

/** Why something failed: the first line of what was thrown. Libraries add more lines, with parts of the input. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : typeof error === "string" ? error : quote(error);
  return oneLine(text.trimStart().split(/[\r\n]/, 1)[0]);
}
