"""What networks are trained on: labelled images, verified before they are used."""
