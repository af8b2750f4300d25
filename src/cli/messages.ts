import { oneLine, quote, SenseVoiceError } from "../error.ts";

export { oneLine };

/** A line on stderr for what is good to know and no error. */
export function printNote(text: string): void {
  process.stderr.write(`note: ${oneLine(text)}\n`);
}

/**
 * One line on stderr: `error: SUBJECT: …`. Any error that is not a SenseVoiceError is a bug, and the line says how
 * to report it. With SENSEVOICE_DEBUG set the stack follows.
 *
 * @param subject what the error is about, a file say, where the message does not begin with it
 */
export function printError(error: unknown, subject?: string): void {
  const thrown = error instanceof Error ? error : new Error(typeof error === "string" ? error : quote(error));
  const message = oneLine(thrown.message);
  const named = subject === undefined || message.startsWith(`${oneLine(subject)}: `);
  const bug = error instanceof SenseVoiceError ? "" : ` (${REPORT})`;
  process.stderr.write(`error: ${oneLine(`${named ? "" : `${subject}: `}${message}${bug}`)}\n`);
  if (process.env.SENSEVOICE_DEBUG) process.stderr.write(`${thrown.stack}\n`);
}

const REPORT = "a bug in sensevoice: please report it with what SENSEVOICE_DEBUG=1 prints";
