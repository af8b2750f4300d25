"""What FunASR's FSMN-VAD says of sounds made of samples/*.wav, with random weights: vad.json and vad.safetensors of
test/golden. The README there describes them.
"""

import wave

import numpy as np
import torch
from funasr.frontends.wav_frontend import WavFrontendOnline
from funasr.models.fsmn_vad_streaming.model import STREAMING_SILENCE_SCHEDULE, FsmnVADStreaming

from golden_layers import SAMPLES, write_json, write_safetensors
from random_weights import random_parameter, random_tensor

# Of the seeds 1 to 55 one with many segments, some of them long, and no score near the threshold.
SEED = 16
RATE = 16000
FRONTEND = dict(fs=RATE, window="hamming", n_mels=80, frame_length=25, frame_shift=10, dither=0.0, lfr_m=5, lfr_n=1)
ENCODER = dict(
    input_dim=400, input_affine_dim=140, fsmn_layers=4, linear_dim=250, proj_dim=128, lorder=20, rorder=0, lstride=1,
    rstride=0, output_affine_dim=140, output_dim=248,
)  # fmt: skip
# Half of the classes, so that random weights know silence about as often as speech.
SILENCE = dict(sil_pdf_ids=list(range(124)), silence_pdf_num=124)

# --- sounds

FILES = ["zh", "en", "music", "ja", "applause", "yue", "ko", "en-angry", "zh-happy", "en-itn", "en-applause"]
GAPS = [0.3, 1.5, 0.8, 2.4, 0.4, 3.1, 0.2]


def recipe(count: int, first: int = 0) -> list[dict]:
    """Sounds of FILES in turn at other levels, each after some seconds of silence."""
    turns = range(first, first + count)
    return [{"file": FILES[i % len(FILES)], "gain": 2.0 ** -(i % 3), "gap": GAPS[i % len(GAPS)]} for i in turns]


SOUNDS = {
    # What FunASR reads in more than one chunk of 60 s.
    "long": dict(parts=recipe(22), noise=2.0**-11),
    # A whole number of chunks, so that the last one has no samples.
    "whole chunks": dict(parts=recipe(3, 4), noise=2.0**-9, samples=12 * 9600),
    # Its last frame is the one with which speech is noticed.
    "begins at the end": dict(parts=recipe(1), noise=2.0**-11, samples=12240),
    "a frame": dict(parts=recipe(1), noise=2.0**-9, samples=400),
    "less than a frame": dict(parts=recipe(1), noise=2.0**-9, samples=399),
}


def sound(parts: list[dict], noise: float, samples: int | None = None) -> np.ndarray:
    pieces = []
    for part in parts:
        with wave.open(str(SAMPLES / f"{part['file']}.wav")) as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        pieces += [np.zeros(round(part["gap"] * RATE), np.float32), pcm * np.float32(part["gain"])]
    whole = np.concatenate(pieces)[:samples]
    return whole + random_tensor("noise", whole.shape, scale=noise)


# --- FunASR


class Asked:
    """FsmnVADStreaming with random weights and these options, as AutoModel runs it."""

    def __init__(self, options: dict, seed: int = SEED):
        self.model = FsmnVADStreaming(encoder="FSMN", encoder_conf=ENCODER, **(SILENCE | options)).eval()
        state = {}
        for name, t in self.model.state_dict().items():
            shape = (t.shape[0], t.shape[2]) if t.ndim == 4 else tuple(t.shape)
            state[name] = torch.from_numpy(random_parameter(name, shape, seed)).reshape(t.shape)
        self.model.load_state_dict(state)
        self.frontend = WavFrontendOnline(**FRONTEND)
        self.frontend.cmvn_file = "random"
        self.frontend.cmvn = torch.from_numpy(
            np.stack([random_parameter(f"frontend.cmvn.{part}", (400,), seed) for part in ("shift", "scale")])
        )
        self.margin = np.inf
        self.model.GetFrameState = self.noting_margin(self.model.GetFrameState)
        self.scores = []
        self.model.encoder.register_forward_hook(lambda _module, _inputs, output: self.scores.append(output[0]))

    def noting_margin(self, decide):
        """How near a frame came to being decided otherwise: in probability, or in decibels where those count."""

        def get_frame_state(t, cache):
            opts, stats = self.model.vad_opts, cache["stats"]
            silence = stats.scores[0][t][stats.sil_pdf_ids].double().sum().item()
            near = [1 - silence - silence**opts.speech_2_noise_ratio - stats.speech_noise_thres]
            near += [stats.decibel[t] - opts.decibel_thres, stats.decibel[t] - stats.noise_average_decibel - opts.snr_thres]
            self.margin = min(self.margin, *map(abs, near))
            return decide(t, cache)

        return get_frame_state

    @torch.no_grad()
    def __call__(self, pcm: np.ndarray, **kwargs) -> list:
        self.scores.clear()
        given = dict(key=["sound"], frontend=self.frontend, device="cpu")
        [result], _ = self.model.inference([torch.from_numpy(pcm)], **given, **kwargs)
        return result["value"]

    def stream(self, pcm: np.ndarray, chunk_ms: int, **kwargs) -> list:
        """[milliseconds fed before, events] of each chunk that has any."""
        cache, step, events = {}, chunk_ms * RATE // 1000, []
        starts = range(0, max(1, len(pcm)), step)
        for start in starts:
            chunk, last = pcm[start : start + step], start == starts[-1]
            told = self(chunk, cache=cache, chunk_size=chunk_ms, is_final=last, is_streaming_input=True, **kwargs)
            if told:
                events.append([start * 1000 // RATE, told])
        return events

    def silence(self) -> np.ndarray:
        """The silent classes' probability in each frame of the last call."""
        ids = self.model.vad_opts.sil_pdf_ids
        rows = [row for scores in self.scores for row in scores]
        return np.array([sum(row[i].item() for i in ids) for row in rows], np.float32)


# Name: options of the model, of `generate`, milliseconds of a chunk.
CASES = {
    "as it comes": ({}, {}, 600),
    "small chunks": ({}, {}, 70),
    "hardly any silence": (dict(sil_pdf_ids=list(range(60)), silence_pdf_num=60), {}, 600),
    "other classes": (dict(sil_pdf_ids=list(range(60, 184)), speech_2_noise_ratio=1.5), {}, 600),
    "one utterance": (dict(detect_mode=0), {}, 600),
    "one utterance that does not come": (dict(detect_mode=0, max_start_silence_time=100), {}, 600),
    "not extended": (dict(do_extend=0), {}, 600),
    "short segments": (dict(max_single_segment_time=1500), {}, 600),
    "half a second of silence": (dict(speech_noise_thres=0.7), dict(max_end_silence_time=500), 600),
    "no silence at all": (dict(do_extend=0, speech_noise_thres=0.7), dict(max_end_silence_time=160), 300),
    "the model's own thresholds": (
        dict(max_end_silence_time=400, speech_noise_thres=0.2), dict(dynamic_silence=False), 600,
    ),
    "the schedule for streams": ({}, dict(silence_schedule=STREAMING_SILENCE_SCHEDULE), 100),
    "loud enough": (dict(decibel_thres=-6.0), {}, 600),
    "above the noise": (dict(snr_thres=6.0, noise_frame_num_used_for_snr=30), {}, 600),
    "other windows": (
        dict(
            window_size_ms=300, sil_to_speech_time_thres=100, speech_to_sil_time_thres=200,
            lookback_time_start_point=500, lookahead_time_end_point=305,
        ), {}, 600,
    ),
    "nothing is speech": (dict(fe_prior_thres=1.0), {}, 600),
}  # fmt: skip


def vad() -> None:
    sounds = {name: sound(**made_of) for name, made_of in SOUNDS.items()}
    asked = [("long", name) for name in CASES] + [(name, "as it comes") for name in SOUNDS if name != "long"]
    cases, scores = [], {}
    for on, name in asked:
        options, given, chunk_ms = CASES[name]
        ask = Asked(options)
        segments = ask(sounds[on], **given)
        if name == "as it comes":
            scores[on] = ask.silence()
        case = {"name": name, "sound": on, "model": options, "generate": given, "segments": segments}
        if given.get("silence_schedule"):
            case["generate"] = {"silence_schedule": "STREAMING_SILENCE_SCHEDULE"}
        case |= {"chunkMs": chunk_ms, "events": ask.stream(sounds[on], chunk_ms, **given)}
        cases.append(case)
        print(f"{on}, {name}: {len(segments)} segments, margin {ask.margin:.1e}")
        assert ask.margin > 8e-5
    write_json("vad.json", {"seed": SEED, "model": SILENCE, "sounds": SOUNDS, "cases": cases})
    write_safetensors("vad.safetensors", scores)
