import { modelPath } from "../weights/home.ts";
import { recoverFolder } from "../weights/replaceFolder.ts";

export const SMALL_ID = "iic/SenseVoiceSmall";

/** The model for whoever names none: the real one once it has been downloaded, else the demonstration. */
export function defaultModel(): "small" | "tiny" {
  return recoverFolder(modelPath(SMALL_ID)) ? "small" : "tiny";
}
