"""Asks FunASR what the right answer is, and writes it to test/golden/ (see the README there).

    pip install funasr==1.4.16 torch==2.11.0 torchaudio==2.11.0 numpy         in a virtual environment
    python scripts/make-goldens.py rich-text align weights random-tiny random-small
    python scripts/make-goldens.py tiny --model FOLDER                         the tiny checkpoint, FunASR's
    python scripts/make-goldens.py checkpoint --save FOLDER --assets FOLDER    936 MB, never committed

Torch and torchaudio must come from one release, or torchaudio refuses. FunASR adds noise (dither) to the
sound by default; here it never does.
"""

import argparse
import json
import platform
import re
import shutil
import struct
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from funasr import AutoModel
from funasr.frontends.wav_frontend import WavFrontend
from funasr.models.sense_voice.model import SenseVoiceSmall
from funasr.models.sense_voice.utils.ctc_alignment import ctc_forced_align
from funasr.utils.postprocess_utils import rich_transcription_postprocess

from golden_cases import align_cases, rich_texts
from random_weights import SEED, fnv1a, random_features, random_parameter

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "test" / "golden"


# --- files


def write_json(name: str, value) -> None:
    (GOLDEN / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


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


# --- text and timestamps


def rich_text() -> None:
    lines = []
    for raw in rich_texts():
        try:
            lines.append({"raw": raw, "text": rich_transcription_postprocess(raw)})
        except Exception as error:
            lines.append({"raw": raw, "error": type(error).__name__})
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (GOLDEN / "rich-text.jsonl").write_text(text)
    print(f"rich-text.jsonl: {len(lines)} texts")


def align() -> None:
    cases = []
    for name, log_probs, tokens in align_cases():
        rows, vocab = log_probs.shape
        # Nine digits bring every f32 back.
        numbers = [float(f"{x:.9g}") for x in log_probs.flatten().tolist()]
        assert np.array_equal(np.float32(numbers), log_probs.flatten().numpy())
        case = {"name": name, "rows": rows, "vocab": vocab, "logits": numbers, "tokens": tokens}
        try:
            targets = torch.tensor([tokens], dtype=torch.long)
            path = ctc_forced_align(
                log_probs[None], targets, torch.tensor([rows]), torch.tensor([len(tokens)])
            )
            case["path"] = path[0].tolist()
        except Exception as error:
            case["error"] = type(error).__name__
        cases.append(case)
    (GOLDEN / "align.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    print(f"align.json: {len(cases)} cases")


# --- the encoder, layer by layer


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


def corner(t: np.ndarray) -> np.ndarray:
    """Rows 0..3 and the last one, of each the first 16 numbers: [5, 16]."""
    return t[[0, 1, 2, 3, -1], :16]


def describe(outputs: dict[str, torch.Tensor], prefix: str):
    """Of one clip's outputs, each [1, rows, width]: checksums for the JSON file, tensors for the other."""
    checksums, tensors = {}, {}
    for name, output in outputs.items():
        t = output[0].numpy()
        wide = t.astype(np.float64)
        checksums[name] = {
            "shape": list(t.shape),
            "mean": wide.mean(),
            "rms": np.sqrt((wide**2).mean()),
            "absMax": np.abs(wide).max(),
        }
        tensors[f"{prefix}{name}"] = corner(t)
    logits = outputs["logits"][0]
    values, ids = logits.topk(5, dim=-1)
    assert torch.equal(ids[:, 0], logits.argmax(-1))
    tensors[f"{prefix}top5.ids"] = ids.numpy().astype(np.int32)
    tensors[f"{prefix}top5.values"] = values.numpy()
    tensors[f"{prefix}logsumexp"] = logits.double().logsumexp(-1).float().numpy()
    return checksums, tensors


def margins(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """How far the best logit of each row is above the next, in standard deviations of the row's logits."""
    logits = outputs["logits"][0].double()
    best = logits.topk(2, dim=-1).values
    return (best[:, 0] - best[:, 1]) / logits.std(-1)


def token_ids():
    """Stands in for FunASR's tokenizer, so that the text of a result is its token ids."""
    return SimpleNamespace(decode=lambda ids: ids)


@torch.no_grad()
def tiny(folder: str) -> None:
    """The tiny checkpoint on samples/*.wav: features, every layer, logits, tokens; and one padded batch."""
    forward = WavFrontend.forward

    def forward_without_dither(self, *args, **kwargs):
        self.dither = 0.0  # generate() restores its own copy of the frontend, so it is set at every call
        return forward(self, *args, **kwargs)

    WavFrontend.forward = forward_without_dither
    auto = AutoModel(model=folder, device="cpu", disable_update=True, disable_pbar=True)
    frontend, tokenizer, features = auto.kwargs["frontend"], auto.kwargs["tokenizer"], []
    frontend.register_forward_hook(lambda _module, _inputs, output: features.append(output[0]))
    recorder = Recorder(auto.model)

    def infer(files, use_itn):
        features.clear()
        results, _ = auto.model.inference(
            [str(ROOT / "samples" / f) for f in files],
            key=files,
            tokenizer=token_ids(),
            frontend=frontend,
            language="auto",
            use_itn=use_itn,
            device="cpu",
        )
        return [result["text"] for result in results]

    clips, tensors = [], {}
    expected = [json.loads(line) for line in (ROOT / "samples" / "expected.jsonl").read_text().splitlines()]
    for clip in expected:
        file, use_itn = clip["file"], clip["use_itn"]
        [tokens] = infer([file], use_itn)
        assert tokenizer.decode(tokens) == clip["raw"], (file, tokenizer.decode(tokens), clip["raw"])
        checksums, more = describe(recorder.outputs, f"{file}/")
        tensors[f"{file}/features"] = features[0][0].numpy()
        tensors |= more
        margin = margins(recorder.outputs).min().item()
        clips.append(
            {
                "file": file,
                "language": "auto",
                "useItn": use_itn,
                "tokens": tokens,
                "raw": clip["raw"],
                "minMargin": margin,
                "outputs": checksums,
            }
        )
        print(f"{file}: {len(tokens)} tokens, smallest margin {margin:.4f} of the logits' deviation")
    files = ["zh.wav", "zh-happy.wav", "ja.wav"]
    tokens = infer(files, False)
    batch = {
        "files": files,
        "language": "auto",
        "useItn": False,
        "rows": features[0].shape[1],
        "tokens": tokens,
    }
    write_json("tiny.json", {"clips": clips, "batch": batch})
    write_safetensors("tiny.safetensors", tensors)


# Vocabulary and encoder_conf of SenseVoiceSmall and of the tiny checkpoint.
ARCHITECTURES = {
    "small": (
        25055,
        dict(output_size=512, attention_heads=4, linear_units=2048, num_blocks=50, tp_blocks=20),
    ),
    "tiny": (995, dict(output_size=256, attention_heads=2, linear_units=1024, num_blocks=6, tp_blocks=2)),
}
FEATURE_WIDTH = 560


def random_model(size: str, seed: int) -> SenseVoiceSmall:
    vocab_size, encoder_conf = ARCHITECTURES[size]
    with torch.device("meta"):  # no storage: every parameter is replaced below
        model = SenseVoiceSmall(
            encoder="SenseVoiceEncoderSmall",
            encoder_conf=encoder_conf,
            input_size=FEATURE_WIDTH,
            vocab_size=vocab_size,
            length_normalized_loss=True,
        )
    shapes = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    state = {name: torch.from_numpy(random_parameter(name, shape, seed)) for name, shape in shapes.items()}
    model.load_state_dict(state, assign=True)
    return model.eval()


@torch.no_grad()
def random(size: str, rows: int, seed: int) -> None:
    """FunASR's class with random weights on random features: every layer and the logits."""
    model = random_model(size, seed)
    recorder = Recorder(model)
    features = torch.from_numpy(random_features(rows, FEATURE_WIDTH, seed))
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
    print(f"random-{size}, seed {seed}: smallest margin {margin:.4f} of the logits' deviation")
    checksums, tensors = describe(recorder.outputs, "")
    write_json(
        f"random-{size}.json",
        {
            "seed": seed,
            "featureRows": rows,
            "language": "auto",
            "useItn": False,
            "tokens": results[0]["text"],
            "minMargin": margin,
            "outputs": checksums,
        },
    )
    write_safetensors(f"random-{size}.safetensors", tensors)


# --- the generator itself, and files made with it


def weights() -> None:
    """Some of the generator's numbers, as 32-bit patterns, for the TypeScript side to match."""
    state = random_model("small", SEED).state_dict()
    names = ["ctc.ctc_lo.weight", "ctc.ctc_lo.bias", "embed.weight", "encoder.tp_norm.weight"]
    names += [f"encoder.encoders0.0.{p}" for p in ("self_attn.linear_q_k_v.weight", "norm1.bias")]
    names += [f"encoder.encoders.48.{p}" for p in ("self_attn.fsmn_block.weight", "feed_forward.w_2.weight")]
    tensors = []
    for name in names:
        bits = state[name].numpy().view(np.uint32).ravel()
        at = [0, 1, 2, bits.size // 2, bits.size - 1]
        total = int(bits.astype(np.uint64).sum() % 2**32)
        tensors.append(
            {
                "name": name,
                "shape": list(state[name].shape),
                "at": at,
                "bits": bits[at].tolist(),
                "sumOfBits": total,
            }
        )
    write_json(
        "random-weights.json",
        {
            "seed": SEED,
            "fnv1a": {"": fnv1a(""), "embed.weight": fnv1a("embed.weight")},
            "parameterCount": sum(t.numel() for t in state.values()),
            "tensorCount": len(state),
            "tensors": tensors,
        },
    )


def save_checkpoint(folder: str, assets: str) -> None:
    """A FunASR folder of random weights: model.pt by torch.save, the small files copied from `assets`."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    torch.save(random_model("small", SEED).state_dict(), Path(folder) / "model.pt")
    for file in Path(assets).iterdir():
        shutil.copyfile(file, Path(folder) / file.name)


def main() -> None:
    parts = ["rich-text", "align", "tiny", "random-tiny", "random-small", "weights", "checkpoint"]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="+", choices=parts, metavar="PART", help=", ".join(parts))
    parser.add_argument("--model", help="tiny: the folder with the tiny checkpoint's model.pt")
    parser.add_argument("--save", help="checkpoint: the folder to write")
    parser.add_argument(
        "--assets", help="checkpoint: the folder with the real config.yaml, am.mvn, tokenizer"
    )
    args = parser.parse_args()
    GOLDEN.mkdir(parents=True, exist_ok=True)
    made_by = {name: version(name) for name in ("funasr", "torch", "torchaudio", "numpy", "sentencepiece")}
    write_json("versions.json", {"python": platform.python_version(), **made_by})
    run = {
        "rich-text": rich_text,
        "align": align,
        "weights": weights,
        "tiny": lambda: tiny(args.model),
        "checkpoint": lambda: save_checkpoint(args.save, args.assets),
        "random-tiny": lambda: random("tiny", rows=20, seed=1),
        "random-small": lambda: random("small", rows=20, seed=SEED),
    }
    for part in args.parts:
        run[part]()


if __name__ == "__main__":
    main()
