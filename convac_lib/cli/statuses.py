"""The exit statuses of every command, and what `convac --help` says of them."""

YES, NO, BAD_INPUT, OUR_FAULT, UNWRITTEN, INTERRUPTED = 0, 1, 2, 70, 74, 130
STATUSES = """\
exit status:
  0    done; the answer is yes
  1    the answer is no: a certificate is false or was altered
  2    bad input, or not enough memory, disk space or permission; one sentence
       on stderr says which
  70   an unexpected error, which is our fault; --debug prints its traceback
  74   the answer, or one of its figures, could not be written
  130  interrupted by Ctrl-C
"""
