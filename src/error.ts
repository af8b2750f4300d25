/**
 * An error that a user can act on. Its message is one line that says where, what, expected and got:
 * `[fsmn] weight: expected shape [512, 11], got [560, 11]`. The command line prints the message and
 * nothing else; any other error is a bug of ours and keeps its stack.
 */
export class SenseVoiceError extends Error {
  override readonly name = "SenseVoiceError";
}
