/** What went wrong, as far as it matters to what the user can do. The page has a sentence for each. */
export const PROBLEMS = [
  "microphoneDenied",
  "noMicrophone",
  "microphoneBusy",
  "microphoneLost",
  "insecure",
  "notSound",
  "damagedSound",
  "unreadable",
  "noSpace",
  "connection",
  "noModel",
  "damagedModel",
  "noDevice",
  "outOfMemory",
  "hotword",
  "key",
  "busy",
  "service",
  "other",
] as const;
export type ProblemKind = (typeof PROBLEMS)[number];

export interface Problem {
  readonly kind: ProblemKind;
  /** What the engine, the browser or the service said. */
  readonly detail: string;
}

/** An error of the service. */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const BY_NAME: Readonly<Record<string, ProblemKind>> = {
  NotAllowedError: "microphoneDenied",
  SecurityError: "microphoneDenied",
  NotFoundError: "noMicrophone",
  OverconstrainedError: "noMicrophone",
  NotReadableError: "microphoneBusy",
  AbortError: "microphoneBusy",
  MicrophoneLost: "microphoneLost",
  InsecureError: "insecure",
  QuotaExceededError: "noSpace",
  WorkerLost: "outOfMemory",
};

/** What the engine's messages say, the first that fits. */
const BY_MESSAGE: readonly (readonly [RegExp, ProblemKind])[] = [
  [/of space to keep it|quota|no space/i, "noSpace"],
  [/\bhotwords:/, "hotword"],
  [/\[(weights|models)\].*(HTTP 4\d\d|there is no file)|was removed|a speaker model, found none/, "noModel"],
  [/gave up after|connection ended|failed to fetch|network ?error|load failed|HTTP 5\d\d|demo\.wav/i, "connection"],
  [/\[(weights|models|engine)\].*(sha256|damaged|bytes, got|JSON|kept file)|config\.json|tokenizer/, "damagedModel"],
  [/memory|allocation|worker thread died/i, "outOfMemory"],
  [/\[webgpu\]/, "noDevice"],
  [/not a sound|expected a sound file|is not read here|no sound was found|cannot be decoded/, "notSound"],
  [/damaged|truncated|expected sound|\bends? |expected finite|sample rate/, "damagedSound"],
];

/** @param where what was being done: a file cannot be read for the same name as a microphone that is taken */
export function problemOf(error: unknown, where: "file" | "microphone" | "model" = "file"): Problem {
  const { name = "Error", message = String(error) } = (error ?? {}) as Partial<Error>;
  const detail = message || name;
  if (error instanceof ServiceError) return { kind: serviceKind(error.status), detail };
  if (where === "file" && (name === "NotReadableError" || name === "NotFoundError"))
    return { kind: "unreadable", detail };
  if (name === "QuotaExceededError") return { kind: "noSpace", detail };
  if (where === "microphone" && Object.hasOwn(BY_NAME, name)) return { kind: BY_NAME[name], detail };
  if (name === "WorkerLost" || name === "RangeError") return { kind: "outOfMemory", detail };
  const found = BY_MESSAGE.find(([pattern]) => pattern.test(message));
  return { kind: found?.[1] ?? "other", detail };
}

function serviceKind(status: number): ProblemKind {
  if (status === 0) return "connection";
  if (status === 401 || status === 403) return "key";
  return status === 429 || status === 503 ? "busy" : "service";
}
