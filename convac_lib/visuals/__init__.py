"""What the page shows: the house style, pictures of networks and ranks, figures, and the explorers with their views."""

from convac_lib.extras import require

require("widgets", __name__)
