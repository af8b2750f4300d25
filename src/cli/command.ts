import { Command } from "commander";
import { SenseVoiceError } from "../error.ts";
import { oneLine, printError } from "./messages.ts";

/** A command whose errors about its arguments are one line on stderr: `error: …`. */
export function createCommand(name: string): Command {
  return new Command(name).configureOutput({
    outputError: (text, write) => write(`${oneLine(text)}\n`),
  });
}

/** Runs a program with the arguments of this process. What goes wrong is printed and makes the exit status 1. */
export async function run(program: Command): Promise<void> {
  process.stdout.on("error", endOfOutput);
  process.stderr.on("error", endOfOutput);
  process.on("uncaughtException", fail);
  await program.parseAsync().catch(fail);
}

/** Whoever read our output may have had enough of it, as `head -1` does: that is no error. */
function endOfOutput(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") {
    printError(new SenseVoiceError(`the output cannot be written (${error.code ?? error.message})`));
    process.exitCode = 1;
  }
  process.exit();
}

function fail(error: unknown): void {
  printError(error);
  process.exit(1);
}
