"""The program, where no request takes longer than a second; its workers import this file too."""

import reconciler.journal.places.bucket as state
from reconciler.cli.main import main

state.REQUEST_TIMEOUT = 1.0

if __name__ == "__main__":
    main()
