"""What vLLM's worker must do beyond `reload_weights` for a swapped-in model to answer as a fresh engine does.

vLLM mixes this class into its worker (`worker_extension_cls`).
"""

from typing import Any


class SwapExtension:
    """Adds `swap_weights` to vLLM's worker."""

    model_runner: Any
    reload_weights: Any

    def swap_weights(self, folder: str) -> None:
        """Replaces the weights that `folder` holds, in place.

        A tied output head has no weight of its own in a file, so vLLM's reload leaves it alone; but on CPUs its multiplication
        keeps a packed copy of the embedding it is tied to, and would go on answering with the model before: it is packed again.
        """
        from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead, VocabParallelEmbedding

        self.reload_weights(weights_path=folder)
        modules = list(self.model_runner.get_model().modules())
        heads = [module for module in modules if isinstance(module, ParallelLMHead)]
        embeddings = [module for module in modules if isinstance(module, VocabParallelEmbedding) and module not in heads]
        for head in heads:
            if any(head.weight is embedding.weight for embedding in embeddings):
                head.quant_method.process_weights_after_loading(head)
