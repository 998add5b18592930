"""What was measured: training that returns a record, sweeps, and what their records say."""

from convac_lib.extras import require

require("experiments", __name__)
