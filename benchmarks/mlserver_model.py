"""The model of MLServer in the benchmark: the very ONNX file that the agent serves.

scikit-learn's own forest behind MLServer would be slower by the time that takes, so
this is the baseline that favours MLServer: what differs is the server alone. It runs in
MLServer's own virtual environment and imports nothing of ours.
"""

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Forest(MLModel):
    """An ONNX file with one input and the output ``probabilities``."""

    async def load(self) -> bool:
        """Open the file as the agent does: one thread a session."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        path = self.settings.parameters.uri
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Score one request."""
        given = NumpyCodec.decode_input(payload.inputs[0])
        (found,) = self._session.run(["probabilities"], {payload.inputs[0].name: given})
        return InferenceResponse(
            id=payload.id,
            model_name=self.name,
            model_version=self.version,
            outputs=[NumpyCodec.encode_output("probabilities", found)],
        )
