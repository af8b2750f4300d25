import { SAMPLE_RATE } from "../src/audio/pcm.ts";
import { createResampler } from "../src/audio/resample.ts";

/** A microphone that is open. */
export interface Microphone {
  /** The microphone's own name. */
  readonly label: string;
  close(): Promise<void>;
}

/** A microphone that was lost while it was open: unplugged, or taken away by the system. */
export class MicrophoneLost extends Error {
  override readonly name = "MicrophoneLost";
}

/**
 * Opens the microphone, after the user has allowed it.
 *
 * @param take is given samples at 16 kHz as they come, in arrays of their own
 * @throws DOMException NotAllowedError, NotFoundError, NotReadableError
 */
export async function openMicrophone(
  take: (pcm: Float32Array<ArrayBuffer>) => void,
  onLost: (error: MicrophoneLost) => void,
): Promise<Microphone> {
  if (!navigator.mediaDevices) throw new DOMException("no media devices", "InsecureError");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  // The device's own rate: not every browser takes another one from a microphone.
  const context = new AudioContext();
  const close = async () => {
    for (const track of stream.getTracks()) track.stop();
    if (context.state !== "closed") await context.close();
  };
  try {
    await context.audioWorklet.addModule(new URL("./samplesWorklet.ts", import.meta.url));
    await context.resume();
    const samples = new AudioWorkletNode(context, "samples", { numberOfOutputs: 0 });
    const resample = createResampler(context.sampleRate, SAMPLE_RATE);
    samples.port.onmessage = ({ data }: MessageEvent<Float32Array>) => {
      const pcm = resample(data).slice();
      if (pcm.length > 0) take(pcm);
    };
    context.createMediaStreamSource(stream).connect(samples);
    const [track] = stream.getAudioTracks();
    track.onended = () => onLost(new MicrophoneLost(track.label));
    return { label: track.label, close };
  } catch (error) {
    await close();
    throw error;
  }
}
