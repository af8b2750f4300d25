import type { Logger } from "pino";
import { SenseVoiceError } from "../../error.ts";
import { createEngine } from "../../node.ts";
import type { ServeConfig, WorkerConfig } from "../config.ts";
import { Decoding } from "../decoding.ts";
import { hearClips, LocalTranscriber, speakerDigest } from "../local.ts";
import { Places } from "../places.ts";
import { Desk } from "./desk.ts";
import { type QueueService, QueueTranscriber } from "./front.ts";
import { QueueLink } from "./link.ts";
import { MAX_SOUND } from "./sound.ts";
import { Webhooks } from "./webhooks.ts";
import { QueueWorker } from "./worker.ts";

/**
 * Lets others hear what this process is sent.
 *
 * @param local hears the queue's sounds too
 */
export async function openQueue(
  address: string,
  config: ServeConfig,
  local: LocalTranscriber | undefined,
  log: Logger,
): Promise<QueueService> {
  if (config.maxUpload > MAX_SOUND) {
    throw new SenseVoiceError(`--max-upload: expected at most ${MAX_SOUND} beside --queue, got ${config.maxUpload}`);
  }
  const desk = new Desk(new QueueLink(address, log));
  let webhooks: Webhooks | undefined;
  let worker: QueueWorker | undefined;
  try {
    webhooks = openWebhooks(desk, config, log);
    worker = local && (await QueueWorker.start(desk, local, config, log));
  } catch (error) {
    await webhooks?.close();
    await desk.link.close();
    throw error;
  }
  const transcriber = await QueueTranscriber.open(desk);
  return {
    transcriber,
    desk,
    async stop() {
      await Promise.all([worker?.stop(), webhooks?.close()]);
      await transcriber.close();
      await desk.link.close();
    },
  };
}

export interface RunningWorker {
  /** `tiny on cpu, queue redis://HOST` */
  readonly description: string;
  /** Takes no more jobs; those that are not done in time go back to the queue. */
  stop(): Promise<void>;
}

/** Loads the model and serves the queue. */
export async function startWorker(config: WorkerConfig, log: Logger): Promise<RunningWorker> {
  const { model, device, weights, threads, tune, vadModel, speakerModel } = config;
  const { concurrency, batchSeconds, maxSeconds } = config;
  const link = new QueueLink(config.queue, log);
  let end = () => link.close();
  try {
    const desk = new Desk(link);
    const webhooks = openWebhooks(desk, config, log);
    const engine = await createEngine({ model, device, weights, threads, tune, vadModel, speakerModel });
    const places = new Places({ concurrency, maxQueue: 0, batchSeconds }, hearClips(engine, batchSeconds));
    const decoding = new Decoding({ threads: Math.min(concurrency, 2), maxSeconds });
    end = async () => {
      await webhooks?.close();
      await decoding.close();
      await engine.close();
      await link.close();
    };
    const transcriber = new LocalTranscriber(engine, decoding, places, speakerDigest(config));
    const worker = await QueueWorker.start(desk, transcriber, config, log);
    return {
      description: `${engine.config.name} on ${engine.device}, queue ${link.name}`,
      async stop() {
        await worker.stop();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

function openWebhooks(desk: Desk, config: WorkerConfig | ServeConfig, log: Logger): Webhooks | undefined {
  const { allowWebhook: hosts, webhookSecret: secret, stallSeconds } = config;
  return hosts.length === 0 ? undefined : new Webhooks(desk, { hosts, secret, stallSeconds }, log);
}
