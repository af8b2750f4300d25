import type { Hono } from "hono";
import { httpErrorOf, takeUpload } from "../answer.ts";
import { checkUrl } from "../fetchSound.ts";
import { checkFields } from "../fields.ts";
import { HttpError } from "../httpError.ts";
import { contentType, withFormat } from "../openai.ts";
import { jobQuerySchema, postJobSchema } from "../schemas.ts";
import type { RequestContext, RequestEnv, Service } from "../service.ts";
import type { StoredJob } from "./desk.ts";
import type { QueueService } from "./front.ts";
import { resultText, viewOf } from "./view.ts";

/** `/v1/jobs`: sounds that nobody waits for. Only where there is a queue. */
export function addJobRoutes(app: Hono<RequestEnv>, service: Service): void {
  const { queue } = service;
  if (!queue) {
    app.all("/v1/jobs/*", () => {
      throw new HttpError(404, "jobs: there are none here, since the server has no --queue");
    });
    return;
  }
  app.post("/v1/jobs", (c) => postJob(c, service, queue));
  app.get("/v1/jobs/:id", async (c) => {
    const job = await ownJob(c, queue);
    const { format } = checkFields(jobQuerySchema, c.req.query());
    if (format === undefined) return c.json(await shown(job, queue));
    const text = resultText(job, format);
    if (text === undefined) throw new HttpError(409, "the job has no result", { code: "no_result" });
    return c.body(text, 200, { "Content-Type": contentType(format) });
  });
  app.delete("/v1/jobs/:id", async (c) => {
    const { id, data } = await ownJob(c, queue);
    if (await queue.desk.remove(id, data)) return c.body(null, 204);
    throw new HttpError(409, "the job is heard now; it can be deleted when it is done", { code: "job_active" });
  });
}

async function postJob(c: RequestContext, service: Service, { transcriber, desk }: QueueService): Promise<Response> {
  const { maxJobs, allowWebhook } = service.config;
  if ((await desk.waiting()) >= maxJobs) {
    const message = `all ${maxJobs} places of waiting jobs are taken; try again later`;
    throw new HttpError(429, message, { code: "queue_full", retryAfter: 60 });
  }
  const { fields, hearing, close } = await takeUpload(c, service, postJobSchema, (spool) => transcriber.begin(spool));
  try {
    const { format, marks, webhook, ...ask } = fields;
    if (webhook !== undefined) checkWebhook(webhook, allowWebhook);
    const id = await hearing.post({ ask: withFormat(format, ask), key: c.get("key"), webhook, format, marks });
    c.header("Location", `/v1/jobs/${id}`);
    return c.json({ id, state: "waiting", created: new Date().toISOString(), progress: 0 }, 202);
  } catch (error) {
    throw httpErrorOf(error);
  } finally {
    await close();
  }
}

/** @throws HttpError 404 for a job of another key, too */
async function ownJob(c: RequestContext, { desk }: QueueService): Promise<StoredJob> {
  const id = c.req.param("id") ?? "";
  const [job] = /^[\w-]{1,64}$/.test(id) ? await desk.read([id]) : [];
  if (job && job.data.key === c.get("key")) return job;
  throw new HttpError(404, "job: there is none of this id", { param: "id", code: "job_not_found" });
}

async function shown(job: StoredJob, { desk }: QueueService) {
  return viewOf(job, !job.outcome && (await desk.isActive(job.id)));
}

function checkWebhook(address: string, hosts: readonly string[]): void {
  try {
    checkUrl(address, hosts);
  } catch {
    const message = "webhook: expected an http or https address of a host that this server tells";
    throw new HttpError(400, message, { param: "webhook", code: "invalid_value" });
  }
}
