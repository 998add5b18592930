"""The book's explorers, one file for each: `NAME_view(**state) -> View`, and the picture that the view shows."""
