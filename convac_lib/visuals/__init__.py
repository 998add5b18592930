"""What the page shows: the house style, drawings of networks and ranks, figures, and the explorer."""
