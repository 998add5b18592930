"""How `from_torch` reads a torch model: the tracer follows one forward pass, operator by operator."""
