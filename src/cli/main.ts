#!/usr/bin/env node
import { Help } from "commander";
import { version } from "../weights/home.ts";
import { createCommand, run } from "./command.ts";
import {
  convertCommand,
  downloadCommand,
  enrollCommand,
  highlightsCommand,
  inspectCommand,
  liveCommand,
  quantizeCommand,
  transcribeCommand,
  vadCommand,
} from "./commands.ts";
import { evalCommand } from "./evalCommand.ts";
import { infoCommand } from "./info.ts";
import { keyCommand, serveCommand, workerCommand } from "./serverCommands.ts";
import { tuneCommand } from "./tune.ts";

const transcribe = transcribeCommand();
const program = createCommand("sensevoice")
  .usage("[options] FILE...\n       sensevoice COMMAND ...")
  .description("Speech to text with language, emotion and sound events, by SenseVoiceSmall.")
  .version(version())
  .addCommand(transcribe, { isDefault: true })
  .addCommand(liveCommand())
  .addCommand(serveCommand())
  .addCommand(workerCommand())
  .addCommand(inspectCommand())
  .addCommand(highlightsCommand())
  .addCommand(vadCommand())
  .addCommand(enrollCommand())
  .addCommand(convertCommand("convert"))
  .addCommand(downloadCommand())
  .addCommand(evalCommand())
  .addCommand(quantizeCommand())
  .addCommand(keyCommand())
  .addCommand(tuneCommand())
  .addCommand(infoCommand())
  // Without a command it transcribes, so the options of that are its own.
  .configureHelp({
    visibleOptions: (command) => [...transcribe.options, ...new Help().visibleOptions(command)],
  })
  .addHelpText(
    "after",
    `
Examples:
  $ sensevoice talk.mp3
  $ sensevoice --timestamps --itn talk.mp3
  $ sensevoice --format json recordings/*.wav > recordings.jsonl
  $ ffmpeg -i film.mkv -f wav - | sensevoice -`,
  );

await run(program);
