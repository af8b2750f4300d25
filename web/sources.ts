import { announce } from "./announce.ts";
import { append, h } from "./dom.ts";
import { type Found, filesOf, soundsOf } from "./files.ts";
import { clockOf } from "./format.ts";
import { icon } from "./icons.ts";
import { type Microphone, openMicrophone } from "./microphone.ts";
import { type Problem, problemOf } from "./problem.ts";
import { problemBox } from "./problemBox.ts";
import { addSounds, recordings } from "./queue.ts";
import { Signal } from "./reactive.ts";
import { t } from "./strings.ts";
import { int16Of, wavOfParts } from "./wav.ts";

/** How many files were left out since they are no sounds. */
const leftOut = new Signal(0);
const problem = new Signal<Problem | undefined>(undefined);

/** The ways for sound to come in: files, folders, the microphone, an example. */
export function sources(): HTMLElement {
  const files = fileInput({ multiple: true, accept: "audio/*,video/*,.sph,.wav,.flac,.opus,.aiff" });
  const folder = fileInput({ webkitdirectory: true });
  return h(
    "section",
    { class: "sources", "aria-labelledby": "sources-title" },
    icon("wave"),
    h("h2", { id: "sources-title" }, () => t().dropHere),
    h("p", { class: "hint" }, () => t().dropHint),
    h(
      "div",
      { class: "actions" },
      h(
        "button",
        { type: "button", class: "accent", onclick: () => files.click() },
        icon("file"),
        () => t().chooseFiles,
      ),
      h("button", { type: "button", onclick: () => folder.click() }, icon("folder"), () => t().chooseFolder),
      recordButton(),
    ),
    h(
      "button",
      { type: "button", class: "link", hidden: () => recordings.value.length > 0, onclick: addDemo },
      () => t().tryDemo,
    ),
    () => leftOut.value > 0 && h("p", { class: "hint", role: "status" }, () => t().leftOut(leftOut.value)),
    () => problem.value && problemBox(problem.value),
    files,
    folder,
  );
}

/** Takes what is dropped anywhere on the page. */
export function takeDrops(target: HTMLElement): void {
  const over = (on: boolean) => target.classList.toggle("dropping", on);
  let depth = 0;
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  target.addEventListener("dragenter", (event) => {
    if (hasFiles(event)) over(++depth > 0);
  });
  target.addEventListener("dragleave", (event) => {
    if (hasFiles(event)) over(--depth > 0);
  });
  target.addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  target.addEventListener("drop", async (event) => {
    if (!hasFiles(event) || !event.dataTransfer) return;
    event.preventDefault();
    depth = 0;
    over(false);
    location.hash = "#transcribe";
    take(await filesOf(event.dataTransfer.items).catch(() => ({ files: [], others: 0 })));
  });
  append(target, [
    h(
      "div",
      { class: "drop-veil", "aria-hidden": "true" },
      h("p", {}, () => t().dropNow),
    ),
  ]);
}

function take({ files, others }: Found): void {
  problem.value = undefined;
  leftOut.value = others;
  addSounds(files.map((file) => ({ name: file.name, sound: file })));
  if (files.length > 0) announce(t().added(files.length));
}

function fileInput(props: Record<string, string | boolean>): HTMLInputElement {
  const input = h("input", {
    type: "file",
    hidden: true,
    ...props,
    onchange: () => {
      const files = [...(input.files ?? [])];
      take(props.webkitdirectory ? soundsOf(files) : { files, others: 0 });
      input.value = "";
    },
  });
  return input;
}

async function addDemo(): Promise<void> {
  problem.value = undefined;
  try {
    const response = await fetch(new URL("demo.wav", document.baseURI));
    if (!response.ok) throw new Error(`demo.wav: HTTP ${response.status}: connection`);
    addSounds([{ name: t().demoName, sound: await response.blob() }]);
  } catch (error) {
    problem.value = problemOf(error);
  }
}

/** Records until it is pressed again; what was recorded is heard then. */
function recordButton(): HTMLElement {
  const seconds = new Signal<number | undefined>(undefined);
  let parts: Int16Array<ArrayBuffer>[] = [];
  let microphone: Microphone | undefined;
  const stop = async () => {
    seconds.value = undefined;
    await microphone?.close();
    microphone = undefined;
    const sound = wavOfParts(parts);
    if (parts.length > 0) addSounds([{ name: t().recordingName(new Date()), sound }]);
    parts = [];
  };
  const start = async () => {
    problem.value = undefined;
    try {
      parts = [];
      microphone = await openMicrophone(
        (pcm) => {
          parts.push(int16Of(pcm));
          seconds.value = (seconds.peek() ?? 0) + pcm.length / 16_000;
        },
        (error) => {
          problem.value = problemOf(error, "microphone");
          void stop();
        },
      );
      seconds.value = 0;
    } catch (error) {
      problem.value = problemOf(error, "microphone");
    }
  };
  return h(
    "button",
    {
      type: "button",
      class: () => (seconds.value === undefined ? "record" : "record on"),
      onclick: () => (microphone ? stop() : start()),
    },
    () => icon(seconds.value === undefined ? "microphone" : "stop"),
    () => (seconds.value === undefined ? t().record : `${t().stopRecording} ${clockOf(seconds.value)}`),
  );
}
