"""The backbone as an ONNX graph, which needs neither torch nor timm to run."""

import contextlib
import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor

from sslkit.interchange.target import Features, Target, input_side, python
from sslkit.nn import Encoder

_OPSET = 18


class OnnxFile(Target):
    """One ``.onnx`` file with its weights: ``images`` (B,C,S,S) to ``features`` (B,F), any B."""

    suffixes = (".onnx",)
    library = "onnxruntime"

    def write(self, encoder: Encoder, path: Path) -> None:
        """Trace the backbone and write the graph; mean and std are in its metadata."""
        side = input_side(encoder)
        images = torch.zeros(2, encoder.in_channels, side, side)
        # What the tracer tells about its own progress is of no use to whoever exports.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                encoder.backbone,
                (images.contiguous(memory_format=encoder.memory_format),),
                str(path),
                input_names=["images"],
                output_names=["features"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=_OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        graph = onnx.load(str(path))
        onnx.checker.check_model(graph)
        about = {
            "mean": encoder.mean.tolist(),
            "std": encoder.std.tolist(),
            "encoder": encoder.name,
        }
        onnx.helper.set_model_props(graph, {name: str(value) for name, value in about.items()})
        onnx.save(graph, str(path))

    def read(self, encoder: Encoder, path: Path) -> Features:
        """A session of onnxruntime on the CPU."""
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

        def features(images: Tensor) -> Tensor:
            inputs = {"images": np.ascontiguousarray(images.numpy())}
            (out,) = session.run(["features"], inputs)
            return torch.from_numpy(np.asarray(out))

        return features

    def usage(self, encoder: Encoder, name: str) -> str:
        """Two lines of Python."""
        return python(
            "import onnxruntime\n"
            f'session = onnxruntime.InferenceSession("{name}")\n'
            'features = session.run(["features"], {"images": images})[0]  # float32 (B, C, S, S)'
        )
