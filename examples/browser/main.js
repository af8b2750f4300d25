// A recording becomes text, in the browser alone. Build it with any bundler: npx vite build examples/browser
import { createEngine } from "sensevoice/worker";

const [input, state, list] = ["input", "output", "ol"].map((name) => document.querySelector(name));
const percent = ({ task, done, total }) => {
  state.textContent = `${task}: ${Math.round((100 * done) / total)} %`;
};
const engine = createEngine({ model: "tiny", onProgress: percent });

input.onchange = async () => {
  try {
    list.replaceChildren();
    for await (const { start, text } of (await engine).transcribe(input.files[0], { vad: "energy" })) {
      const item = document.createElement("li");
      item.textContent = `${start.toFixed(1)} s: ${text}`;
      list.append(item);
    }
    state.textContent = `done, on ${(await engine).deviceDescription}`;
  } catch (error) {
    state.textContent = error.message;
  }
};
