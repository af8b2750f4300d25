import { createEngine as createHere, readAudio } from "sensevoice";
import { createEngine } from "sensevoice/worker";

/** What an engine in a Worker and one in the page hear, and what they are. */
export async function hear(address) {
  const worker = await createEngine({ model: "tiny", device: "cpu", threads: 2 });
  const page = await createHere({ model: "tiny", device: "cpu", threads: 2 });
  const pcm = await readAudio(address);
  const heard = [];
  for (const engine of [worker, page]) {
    heard.push((await engine.run(pcm)).text, engine.deviceDescription);
    await engine.close();
  }
  return heard;
}
