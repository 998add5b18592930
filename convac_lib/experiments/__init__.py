"""What was measured: data sets, and training that returns a record."""
