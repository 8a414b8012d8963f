"""``python -I -m agent.worker FD``: started by the supervisor alone."""

import sys

from agent.worker.process import main

if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
