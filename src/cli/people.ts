import { existsSync } from "node:fs";
import { join } from "node:path";
import { SenseVoiceError } from "../error.ts";
import type { KnownPerson, SpeakerOptions } from "../node.ts";
import type { SpeakerMode } from "../speech/speakerOptions.ts";
import { fieldOf, integerField, refuse, textField } from "../weights/fields.ts";
import { readJsonFile } from "../weights/file.ts";
import { home } from "../weights/home.ts";

/** What a command is told of speakers. */
export interface SpeakerArguments {
  readonly speakers?: boolean;
  readonly speakerCount?: number;
  readonly speakerMode?: SpeakerMode;
  /** File of people who were enrolled. */
  readonly people?: string;
}

const FORMAT = "sensevoice-people";

/** Where people are enrolled unless it is said. */
export function peopleFile(): string {
  return join(home(), "people.json");
}

/** The file that a command goes by: what was given, else where people are enrolled, if there are any. */
export function peopleOf({ people }: SpeakerArguments): string | undefined {
  return people ?? (existsSync(peopleFile()) ? peopleFile() : undefined);
}

export function asksForSpeakers({ speakers = false, speakerCount }: SpeakerArguments): boolean {
  return speakers || speakerCount !== undefined;
}

/** What `transcribe` is asked about speakers; nothing unless the command was. */
export async function speakerOptions(given: SpeakerArguments): Promise<SpeakerOptions> {
  const { speakerCount, speakerMode } = given;
  if (!asksForSpeakers(given)) {
    const [option] = [speakerMode && "--speaker-mode", given.people && "--people"].filter((name) => name);
    if (option === undefined) return {};
    throw new SenseVoiceError(`${option}: expected --speakers beside it, got none`);
  }
  const file = peopleOf(given);
  return {
    speakers: speakerCount ?? true,
    speakerMode,
    people: file === undefined ? undefined : await readPeople(file),
  };
}

/** @throws SenseVoiceError that names the first field that is not as `writePeople` has it */
export async function readPeople(file: string): Promise<KnownPerson[]> {
  const root = { where: file, value: await readJsonFile(file) };
  const format = fieldOf(root, "format");
  if (format.value !== FORMAT) refuse(format, `"${FORMAT}", a file of sensevoice enroll`);
  integerField(fieldOf(root, "formatVersion"), 1, 1);
  return listOf(fieldOf(root, "people")).map((person) => ({
    name: textField(fieldOf(person, "name")),
    embeddings: listOf(fieldOf(person, "embeddings")).map((embedding) => {
      const numbers = listOf(embedding).map(({ value }) => (typeof value === "number" ? value : Number.NaN));
      const vector = Float32Array.from(numbers);
      return vector.length > 0 && vector.every(Number.isFinite) ? vector : refuse(embedding, "numbers");
    }),
  }));
}

function listOf(field: { readonly where: string; readonly value: unknown }) {
  const { where, value } = field;
  return Array.isArray(value)
    ? value.map((item: unknown, i) => ({ where: `${where}[${i}]`, value: item }))
    : refuse(field, "a list");
}

/** What `readPeople` reads: a line for each embedding. */
export function peopleText(people: readonly KnownPerson[]): string {
  const lines = people.map(({ name, embeddings }) => {
    const numbers = embeddings.map((embedding) => `   ${JSON.stringify([...embedding])}`);
    return `  {"name": ${JSON.stringify(name)}, "embeddings": [\n${numbers.join(",\n")}]}`;
  });
  return `{"format": "${FORMAT}", "formatVersion": 1, "people": [\n${lines.join(",\n")}]}\n`;
}
