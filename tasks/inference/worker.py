"""What a vLLM server needs of us to change from one policy to the next: `--worker-extension-cls` names the class here.

vLLM's own `reload_weights` leaves one thing undone on a CPU, and cannot say which weights it holds. Imported in the
server's processes, so nothing of this project is.
"""

from pathlib import Path
from typing import Any


class PolicyWeights:
    """Mixed into vLLM's worker; called through POST /collective_rpc."""

    _policy: tuple[Any, ...] | None = None

    def load_policy(self: Any, folder: str) -> dict[str, bool] | None:
        """Take the weights in this folder. Returns None, or a fact where they were taken before."""
        files = sorted(Path(folder).glob("*.safetensors"))
        wanted = (folder, *((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files))
        if wanted == self._policy:
            return {"kept": True}
        self._policy = None
        self.reload_weights(weights_path=folder)
        pack_tied_head(self.get_model())
        self._policy = wanted
        return None


def pack_tied_head(model: Any) -> None:
    """Let an output layer that shares the embedding's weights see the new ones.

    On a CPU it multiplies by a packed copy, which vLLM's reload forgets because no file holds it.
    """
    if getattr(model.config, "tie_word_embeddings", False) and hasattr(model, "lm_head"):
        model.lm_head.quant_method.process_weights_after_loading(model.lm_head)
