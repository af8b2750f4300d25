/**
 * What the package's name stands for in Node: node.ts, loaded by the first call. Bundlers that render a page on a server
 * too follow this entry's imports; what only Node itself can load (a GPU's binary, folders) is out of their sight.
 */
type InNode = typeof import("./node.ts");

export * from "./index.ts";
export type { EngineOptions } from "./node.ts";

const inNode = (): Promise<InNode> =>
  import(/* webpackIgnore: true */ /* turbopackIgnore: true */ /* @vite-ignore */ "./node.ts");

export const createEngine: InNode["createEngine"] = async (options) => (await inNode()).createEngine(options);
export const readAudio: InNode["readAudio"] = async (...args) => (await inNode()).readAudio(...args);
