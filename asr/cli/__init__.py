"""The commands: parse, call, print. Heavy imports stand inside the function that needs them.

Results go to stdout, everything else to stderr; the exit codes stand in exits.py.
"""

import os

# Every matrix here is small: numpy's own threads would cost more than they give. Read when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
