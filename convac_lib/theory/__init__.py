"""What can be proved of a network: grid tensors, exact ranks and bounds, over NumPy arrays, without torch."""
