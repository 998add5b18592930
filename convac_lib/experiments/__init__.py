"""What was measured: training that returns a record, sweeps, and what their records say."""
