/** The program of the Worker that workerEntry.ts starts. */
import { createEngineAt, readAudio } from "./browserEngine.ts";
import { serveEngine } from "./remote/serve.ts";

// What comes while this module is loaded waits in the port until `onmessage` is set.
const channel = serveEngine(
  { postMessage: (message, transfer) => self.postMessage(message, { transfer }) },
  { createEngine: createEngineAt, readAudio },
);
self.onmessage = ({ data }) => channel.receive(data);
