"""How `from_torch` reads a torch model: a tracer sees one forward pass, operator by operator."""
