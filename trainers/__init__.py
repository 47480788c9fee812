"""How models are made: corpora, stages, methods, and the one loop that trains."""
