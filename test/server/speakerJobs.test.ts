import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeRedis, startRedis, type TestRedis } from "../support/redis.ts";
import { makeSpeakerModel } from "../support/speakerModel.ts";
import { doneJob, isReady, json, send, soundOf, startFront, startWorker, stopAll, until } from "./queuePrograms.ts";

const reference = `data:audio/wav;base64,${Buffer.from(soundOf("en.wav")).toString("base64")}`;

describeRedis("speakers through a queue", () => {
  let redis: TestRedis;
  let url: string;
  let connection: Redis;
  let queue: Queue;
  let speaker: Awaited<ReturnType<typeof makeSpeakerModel>>;
  beforeAll(async () => {
    [redis, speaker] = await Promise.all([startRedis(), makeSpeakerModel()]);
    [{ url }] = await Promise.all([startFront(redis), startWorker(redis, "--speaker-model", speaker.dir)]);
    connection = new Redis(redis.url, { maxRetriesPerRequest: null });
    queue = new Queue("sensevoice", { connection });
    await until(() => isReady(url));
  });
  afterAll(async () => {
    await stopAll();
    await queue.close();
    connection.disconnect();
    await redis.stop();
    speaker.remove();
  });

  test("a worker knows the people of a request, and tells what is wrong with a reference", async () => {
    const ask = (given: string) => ({
      ...{ model: "m", response_format: "diarized_json", "known_speaker_names[]": "Doe, Jane" },
      "known_speaker_references[]": given,
    });
    const { body } = await json(await send(`${url}/v1/audio/transcriptions`, soundOf("en.wav"), ask(reference)));
    expect(body.segments).toMatchObject([{ id: "seg_001", speaker: "Doe, Jane" }]);
    const wrong = await json(await send(`${url}/v1/audio/transcriptions`, soundOf("en.wav"), ask("data:;base64,AAAA")));
    expect(wrong).toMatchObject({ status: 400, body: { error: { type: "invalid_request_error" } } });
    expect(wrong.body.error.message).toMatch(/^reference of "Doe, Jane": \S/);
  });

  test("a job's result has speakers in any format; the references are gone once it is done", async () => {
    const people = JSON.stringify([{ name: "Jane", reference }]);
    const posted = await json(await send(`${url}/v1/jobs`, soundOf("en.wav"), { format: "rttm", people }));
    const done = await doneJob(url, posted.body.id);
    expect(done.result).toMatch(/^SPEAKER sound 1 \d\.\d{3} \d\.\d{3} <NA> <NA> Jane /);
    const tsv = await fetch(`${url}/v1/jobs/${posted.body.id}?format=tsv`);
    expect(await tsv.text()).toMatch(/^start\tend\tspeaker\t.*\n\d+\t\d+\tJane\t/);
    const data = await until(async () => {
      const job = await queue.getJob(posted.body.id);
      return job && !("people" in job.data.ask) && job.data;
    });
    expect(data).toMatchObject({ format: "rttm", ask: { speakers: true } });
  });

  test("a job without speakers has no rttm", async () => {
    const posted = await json(await send(`${url}/v1/jobs`, soundOf("zh.wav")));
    await doneJob(url, posted.body.id);
    const { status, body } = await json(await fetch(`${url}/v1/jobs/${posted.body.id}?format=rttm`));
    expect([status, body.error.message]).toEqual([
      400,
      "rttm: expected segments with speakers, got none: ask for speakers",
    ]);
  });
});
