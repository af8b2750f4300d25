import { fileURLToPath } from "node:url";
import { type Running, startProgram } from "../support/service.ts";

export const SAMPLES = fileURLToPath(new URL("../../samples/", import.meta.url));

/** A service in a process of its own, as a user starts it. */
export interface TestServer extends Running {
  readonly address: string;
}

/** Starts `sensevoice serve` with the tiny model on the CPU, on a free port. */
export async function startTestServer(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<TestServer> {
  const program = await startProgram(["serve", "--model", "tiny", "--device", "cpu", "--port", "0", ...args], env);
  return { ...program, address: program.line.replace("listening on ", "") };
}

/** A form with a sound and other fields. */
export function formOf(file: Blob | Uint8Array<ArrayBuffer>, fields: Readonly<Record<string, string>> = {}): FormData {
  const form = new FormData();
  form.append("file", file instanceof Blob ? file : new Blob([file]), "sound.wav");
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}
