/** What a user of the package imports in a browser: the same names, without files and folders. */
export { createEngine, type EngineOptions, readAudio } from "./browserEngine.ts";
export * from "./index.ts";
export { type KeptModel, listModels, removeModel } from "./weights/browserStorage.ts";
