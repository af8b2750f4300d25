import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { reasonOf, SenseVoiceError } from "../error.ts";
import type { EngineOptions } from "../node.ts";
import { singleLine } from "../output/format.ts";
import { LABEL } from "../speech/speakerOptions.ts";
import { findInputs } from "./inputs.ts";
import { makeResultFolder, writeOutput } from "./output.ts";
import { peopleFile, peopleText, readPeople } from "./people.ts";
import { forEachSound } from "./progress.ts";
import { openInput } from "./readInput.ts";
import { openEngine } from "./transcribe.ts";

/** As the command line gives them. */
export interface EnrollArguments extends EngineOptions {
  readonly people?: string;
}

/**
 * Keeps the voice of somebody who alone speaks in some sounds, in place of what was known of them. Prints the file it is in.
 * Throws a SenseVoiceError, and changes nothing, if a sound cannot be heard or nobody speaks in it.
 */
export async function enroll(name: string, args: readonly string[], options: EnrollArguments): Promise<void> {
  if (singleLine(name) !== name || name === "" || LABEL.test(name)) {
    const expected = "expected a name of one line, other than those of strangers (S1, S2, …)";
    throw new SenseVoiceError(`NAME: ${expected}; got ${JSON.stringify(name)}`);
  }
  const { people: file = peopleFile() } = options;
  const others = existsSync(file) ? (await readPeople(file)).filter((person) => person.name !== name) : [];
  const fail = (error: unknown, path: string) => {
    const reason = reasonOf(error);
    throw new SenseVoiceError(reason.startsWith(`${path}: `) ? reason : `${path}: ${reason}`);
  };
  const inputs = await findInputs(args, fail);
  const engine = await openEngine(options);
  const embeddings: Float32Array[] = [];
  const work = async (path: string) => void embeddings.push(await engine.embedVoice(openInput(path)));
  await forEachSound(
    inputs.map((input) => input.file),
    true,
    work,
    fail,
  ).finally(() => engine.close());
  makeResultFolder(dirname(file));
  await writeOutput(file, peopleText([...others, { name, embeddings }]));
  console.log(file);
}
