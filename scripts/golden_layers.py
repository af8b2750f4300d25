"""The encoder and the CTC head as FunASR computes them, layer by layer: what the files tiny.* and random-small.* of
test/golden hold. The README there describes them.
"""

import json
import math
import re
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from funasr.models.sense_voice.model import SenseVoiceSmall
from funasr.utils.postprocess_utils import rich_transcription_postprocess

from funasr_tiny import ROOT, load_tiny
from random_weights import SEED, random_features, random_parameter, random_tensor

GOLDEN = ROOT / "test" / "golden"
SAMPLES = ROOT / "samples"

# --- files


def write_json(name: str, value) -> None:
    """One space a level; arrays of numbers on one line."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    text = re.sub(r"\[[-+.e\d,\s]+\]", lambda numbers: re.sub(r"\s+", " ", numbers[0]), text)
    (GOLDEN / name).write_text(text + "\n")


def write_safetensors(name: str, tensors: dict[str, np.ndarray]) -> None:
    """https://huggingface.co/docs/safetensors: u64 header length, JSON header, the data in the same order."""
    header, offset = {}, 0
    for key, t in tensors.items():
        dtype = {"float32": "F32", "int32": "I32"}[t.dtype.name]
        header[key] = {"dtype": dtype, "shape": list(t.shape), "data_offsets": [offset, offset + t.nbytes]}
        offset += t.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(np.ascontiguousarray(t).tobytes() for t in tensors.values())
    (GOLDEN / name).write_bytes(struct.pack("<Q", len(text)) + text + data)


# --- what is kept of a layer


class Recorder:
    """Keeps what the encoder's parts and the CTC head put out, under FunASR's module names."""

    def __init__(self, model: SenseVoiceSmall):
        self.outputs: dict[str, torch.Tensor] = {}
        for name, module in model.encoder.named_modules():
            if re.fullmatch(r"embed|after_norm|tp_norm|(encoders0|encoders|tp_encoders)\.\d+", name):
                module.register_forward_hook(self.hook(f"encoder.{name}"))
        model.ctc.ctc_lo.register_forward_hook(self.hook("logits"))

    def hook(self, name):
        def keep(_module, _inputs, output):
            self.outputs[name] = (output[0] if isinstance(output, tuple) else output).detach().clone()

        return keep


# Seeded random directions that every whole output is projected on; test/support/golden.ts has them too.
PROJECTIONS = 8
DIRECTIONS = [np.empty(0)] * PROJECTIONS


def project(numbers: np.ndarray) -> list[float]:
    """Σ pᵢ·xᵢ of the whole output with each direction: products exact in f64, their sum rounded once."""
    out = []
    for j, direction in enumerate(DIRECTIONS):
        if direction.size < numbers.size:  # the shorter is the beginning of the longer
            direction = DIRECTIONS[j] = random_tensor(f"projection.{j}", (numbers.size,)).astype(np.float64)
        out.append(math.fsum((direction[: numbers.size] * numbers).tolist()))
    return out


def corner(t: np.ndarray) -> np.ndarray:
    """Rows 0..3 and the last one, of each the first 16 numbers: [5, 16]."""
    return t[[0, 1, 2, 3, -1], :16]


def describe(outputs: dict[str, torch.Tensor], prefix: str):
    """Of one clip's outputs, each [1, rows, width]: what the JSON file has of each, and tensors for the other."""
    summaries, tensors = {}, {}
    for name, output in outputs.items():
        t = output[0].numpy()
        wide = t.astype(np.float64).ravel()
        summaries[name] = {
            "shape": list(t.shape),
            "rms": math.sqrt(math.fsum((wide**2).tolist()) / wide.size),
            "absMax": np.abs(wide).max(),
            "projections": project(wide),
        }
        tensors[f"{prefix}{name}"] = corner(t)
    logits = outputs["logits"][0]
    values, ids = logits.topk(5, dim=-1)
    assert torch.equal(ids[:, 0], logits.argmax(-1))
    tensors[f"{prefix}top5.ids"] = ids.numpy().astype(np.int32)
    tensors[f"{prefix}top5.values"] = values.numpy()
    tensors[f"{prefix}logsumexp"] = logits.double().logsumexp(-1).float().numpy()
    return summaries, tensors


def margins(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """How far the best logit of each row is above the next, in standard deviations of the row's logits."""
    logits = outputs["logits"][0].double()
    best = logits.topk(2, dim=-1).values
    return (best[:, 0] - best[:, 1]) / logits.std(-1)


def token_ids():
    """Stands in for FunASR's tokenizer, so that the text of a result is its token ids."""
    return SimpleNamespace(decode=lambda ids: ids)


# --- the two models


@torch.no_grad()
def tiny(folder: str | None) -> None:
    """The tiny checkpoint on samples/*.wav: features, every layer, logits, tokens; and one padded batch. The texts go
    into samples/expected.jsonl, which says whether ITN is asked for.
    """
    auto = load_tiny(folder)
    frontend, tokenizer, features = auto.kwargs["frontend"], auto.kwargs["tokenizer"], []
    frontend.register_forward_hook(lambda _module, _inputs, output: features.append(output[0]))
    recorder = Recorder(auto.model)

    def infer(files, use_itn):
        features.clear()
        results, _ = auto.model.inference(
            [str(SAMPLES / f) for f in files],
            key=files,
            tokenizer=token_ids(),
            frontend=frontend,
            language="auto",
            use_itn=use_itn,
            device="cpu",
        )
        return [result["text"] for result in results]

    clips, tensors, lines = [], {}, []
    for line in (SAMPLES / "expected.jsonl").read_text().splitlines():
        clip = json.loads(line)
        file, use_itn = clip["file"], clip["use_itn"]
        [tokens] = infer([file], use_itn)
        raw = tokenizer.decode(tokens)
        lines.append(json.dumps({**clip, "raw": raw, "text": rich_transcription_postprocess(raw)}, ensure_ascii=False))
        summaries, more = describe(recorder.outputs, f"{file}/")
        tensors[f"{file}/features"] = features[0][0].numpy()
        tensors |= more
        margin = margins(recorder.outputs).min().item()
        clips.append({"file": file, "useItn": use_itn, "tokens": tokens, "minMargin": margin, "outputs": summaries})
        print(f"{file}: {len(tokens)} tokens, smallest margin {margin:.4f} of the logits' deviation")
    files = ["zh.wav", "zh-happy.wav", "ja.wav"]
    write_json("tiny.json", {"clips": clips, "batch": {"files": files, "tokens": infer(files, False)}})
    write_safetensors("tiny.safetensors", tensors)
    (SAMPLES / "expected.jsonl").write_text("".join(f"{line}\n" for line in lines))


# Of SenseVoiceSmall.
VOCABULARY = 25055
ENCODER_CONF = dict(output_size=512, attention_heads=4, linear_units=2048, num_blocks=50, tp_blocks=20)
FEATURE_WIDTH = 560


def random_model(seed: int) -> SenseVoiceSmall:
    """FunASR's class at full size, with random weights."""
    with torch.device("meta"):  # no storage: every parameter is replaced below
        model = SenseVoiceSmall(
            encoder="SenseVoiceEncoderSmall",
            encoder_conf=ENCODER_CONF,
            input_size=FEATURE_WIDTH,
            vocab_size=VOCABULARY,
            length_normalized_loss=True,
        )
    shapes = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    # Clones lie where torch allocates: at multiples of 64 bytes, without which MKL does not promise the same bits.
    state = {name: torch.from_numpy(random_parameter(name, shape, seed)).clone() for name, shape in shapes.items()}
    model.load_state_dict(state, assign=True)
    return model.eval()


@torch.no_grad()
def random_small(rows: int = 20, seed: int = SEED) -> None:
    """The full architecture with random weights on random features: every layer and the logits."""
    model = random_model(seed)
    recorder = Recorder(model)
    features = torch.from_numpy(random_features(rows, FEATURE_WIDTH, seed)).clone()
    results, _ = model.inference(
        features[None],
        torch.tensor([rows]),
        key=["random"],
        tokenizer=token_ids(),
        data_type="fbank",
        language="auto",
        use_itn=False,
        device="cpu",
    )
    margin = margins(recorder.outputs).min().item()
    print(f"random-small, seed {seed}: smallest margin {margin:.4f} of the logits' deviation")
    summaries, tensors = describe(recorder.outputs, "")
    tokens = results[0]["text"]
    golden = {"seed": seed, "featureRows": rows, "tokens": tokens, "minMargin": margin, "outputs": summaries}
    write_json("random-small.json", golden)
    write_safetensors("random-small.safetensors", tensors)
