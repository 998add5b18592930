"""What each command of the command line does: parsed words in, a report for machines and a text for people out."""
