"""What threads that bring something say to the one that waits for it."""

import threading


class News(threading.Condition):
    """A condition that counts, so that nothing told between a look and a wait is missed."""

    def __init__(self) -> None:
        super().__init__()
        self.told = 0
        """How often something was told."""

    def tell(self) -> None:
        """Wake whoever waits."""
        with self:
            self.told += 1
            self.notify_all()

    def wait_beyond(self, told: int, seconds: float) -> None:
        """Wait until more than ``told`` was told; the caller holds the condition."""
        if self.told == told:
            self.wait(seconds)
