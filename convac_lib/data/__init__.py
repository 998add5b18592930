"""What networks are trained on: labelled images, verified before they are used."""

from convac_lib.extras import require

require("experiments", __name__)
