import { openModel } from "../../src/model/sensevoice/modelFiles.ts";
import { folderSource } from "../../src/weights/folderSource.ts";

/** A converted model in a folder. */
export function openModelFolder(dir: string) {
  return openModel(folderSource(dir));
}
