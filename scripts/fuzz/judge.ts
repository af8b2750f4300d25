/** Thrown by a target that saw something that must not be: not an error of what is tested, but in it. */
export class Finding extends Error {
  override readonly name = "Finding";
}

/** An error message is one line of this many characters or fewer. */
const MESSAGE_LENGTH = 600;

/** What became of a case. `where` is the innermost line of the project's own that was under way. */
export interface Outcome {
  readonly kind: "accepted" | "refused" | "finding";
  readonly message: string;
  readonly where: string;
}

/** Refused, if it is a SenseVoiceError of one printable line; else a finding. */
export function judgeError(error: unknown): Outcome {
  const where = frameOf(error);
  const { name, message } = error instanceof Error ? error : { name: "no Error", message: String(error) };
  if (name === "Finding") return { kind: "finding", message, where };
  if (name !== "SenseVoiceError") return { kind: "finding", message: `${name}: ${message}`, where };
  const fault = messageFault(message);
  if (fault) return { kind: "finding", message: `a message ${fault}: ${message}`, where };
  return { kind: "refused", message, where };
}

/** What is wrong with a message for a person: more than a line, control characters, length. */
export function messageFault(message: string): string | undefined {
  if (/[\r\n\u2028\u2029]/.test(message)) return "of several lines";
  if (/\p{Cc}/u.test(message)) return "with control characters";
  if (message.length > MESSAGE_LENGTH) return `of ${message.length} characters`;
  return message.trim() === "" ? "that is empty" : undefined;
}

/** FILE:LINE of the innermost frame in src/, else in any file. */
function frameOf(error: unknown): string {
  const frames = (error instanceof Error ? (error.stack ?? "") : "").split("\n").filter((line) => /^ +at /.test(line));
  const places = frames.flatMap((line) => /((?:src|node_modules|scripts)\/[^():]+:\d+)/.exec(line)?.[1] ?? []);
  return places.find((place) => place.startsWith("src/")) ?? places[0] ?? "";
}

/** Findings that are the same: one cause gives many. */
export function signature(target: string, { message, where }: Outcome): string {
  const kind = message
    .split(/[:"'`[\n]/, 1)[0]
    .replace(/\d+/g, "N")
    .slice(0, 80)
    .trim();
  return `${target}: ${kind}${where.startsWith("scripts/") || where === "" ? "" : ` (${where})`}`;
}
