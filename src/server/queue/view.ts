import type { FormatName } from "../../output/format.ts";
import { writeDocument } from "../../output/formats.ts";
import type { JobView } from "../schemas.ts";
import type { StoredJob } from "./desk.ts";

/** A job as it is shown to whoever asked for it. @param active whether it is heard now; only looked at if it is not done */
export function viewOf(job: StoredJob, active: boolean): JobView {
  const { id, data, outcome } = job;
  const about = { id, created: new Date(job.created).toISOString() };
  if (!outcome) return { ...about, state: active ? "active" : "waiting", progress: job.progress?.seconds ?? 0 };
  if ("failure" in outcome) {
    return { ...about, state: "failed", progress: job.progress?.seconds ?? 0, error: outcome.failure.message };
  }
  const text = resultText(job, data.format ?? "json") ?? "";
  const result = (data.format ?? "json") === "json" ? JSON.parse(text) : text;
  return { ...about, state: "completed", progress: outcome.result.total.duration, result };
}

/** The result of a job as a document; undefined if there is none. */
export function resultText({ data, outcome }: StoredJob, format: FormatName): string | undefined {
  if (!outcome || !("result" in outcome)) return undefined;
  const { segments, total } = outcome.result;
  const speakers = data.ask.speakers ? { speakers: true } : {};
  return writeDocument(format, { ...total, segments }, { marks: data.marks, ...speakers });
}
