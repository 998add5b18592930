"""What trains: the talk's layer and networks as torch modules, built from an `Architecture`."""
