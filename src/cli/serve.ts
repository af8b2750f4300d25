import { readConfig, serveSchema } from "../server/config.ts";
import { createLog, startServer } from "../server/serve.ts";
import { version } from "../weights/home.ts";
import { createCommand } from "./command.ts";
import { printError } from "./messages.ts";

/** `serve`: prints where it listens, then runs until it is told to stop. */
export async function serve(args: readonly string[]): Promise<void> {
  const command = createCommand("sensevoice serve").description(
    "transcribe over HTTP, with OpenAI's API and live sockets",
  );
  const config = readConfig(serveSchema, command, args);
  console.info = console.error; // of packages; stdout has one line
  const server = await startServer(config, createLog(config.logLevel), version());
  stopAtSignals(() => server.stop());
  process.stdout.write(`listening on ${server.address}\n`);
}

/** At the first signal it is stopped in good order, at the second at once. */
export function stopAtSignals(stop: () => Promise<void>): void {
  let stopping = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stopping) process.exit(1);
      stopping = true;
      stop().then(
        () => process.exit(0),
        (error) => {
          printError(error);
          process.exit(1);
        },
      );
    });
  }
}
