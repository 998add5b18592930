"""What trains: the talk's layer and networks as torch modules, built from an `Architecture`."""

from convac_lib.extras import require

require("networks", __name__)
