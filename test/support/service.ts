import { once } from "node:events";
import { start } from "../cli/sensevoice.ts";

/** A command that runs until it is told to stop. */
export interface Running {
  /** What it printed once it was ready. */
  readonly line: string;
  /** What it logged so far. */
  readonly log: () => string;
  /** Sends a signal and waits for the end. Returns the exit status, null if the signal was what ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts a command of sensevoice and waits for the line that says it is ready; rejects with what it logged if it ends. */
export async function startProgram(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Running> {
  const child = start(args, env);
  const ended = once(child, "exit");
  let log = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    log += text;
  });
  const line = await new Promise<string>((resolve, reject) => {
    let printed = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
      if (printed.includes("\n")) resolve(printed.trimEnd());
    });
    child.once("close", () => reject(new Error(`it ended: ${log}`)));
  });
  return {
    line,
    log: () => log,
    async stop(signal = "SIGTERM") {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await ended;
      return child.exitCode;
    },
  };
}
