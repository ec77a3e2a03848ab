"""The lease of one flag of the lock: renewed while its holder works, and lost for good once it has expired."""

from __future__ import annotations

import threading
from collections.abc import Callable

from jenkins_mlflow.registry.clock import steady
from jenkins_mlflow.registry.faults import classify

_RENEWALS = 4


class Lease:
    """A flag's lease, by this machine's own clock.

    The lease starts when a renewal is sent, which is never later than the stamp that others see. A renewal
    that is answered after the lease has expired is too late, because another process may have read the flags
    before it.

    Args:
        name: The flag, which is about to be created.
        seconds: How long the lease lasts without a renewal.
        renew: Renews the flag with one request.
        clock: Replaced in tests.
    """

    def __init__(
        self,
        name: str,
        seconds: float,
        renew: Callable[[], object],
        clock: Callable[[], float] = steady,
    ) -> None:
        self.name = name
        self._seconds = seconds
        self._renew = renew
        self._clock = clock
        self.raised = self._renewed = clock()
        self._lost = ""
        self._ended = threading.Event()

    def start(self) -> None:
        """Renew the flag from now on, in a thread."""
        threading.Thread(target=self._keep_renewing, name="lock", daemon=True).start()

    def end(self) -> None:
        """Stop renewing the flag."""
        self._ended.set()

    def lost(self) -> str:
        """Why the lease is no longer valid; empty as long as it is."""
        if not self._lost and self._clock() - self._renewed > self._seconds:
            self._lost = f"it was not renewed within its lease of {self._seconds:g} s"
        return self._lost

    def lose(self, why: str) -> None:
        """Give up the lease for a reason that the flags showed."""
        self._lost = self._lost or why

    def renew_once(self) -> None:
        """Renew once. A failed request does not lose the lease yet, because the next one may succeed in time."""
        sent = self._clock()
        try:
            self._renew()
        except Exception as error:  # noqa: BLE001  the lease continues
            if classify(error).not_found:
                self.lose("another process took it over")
        else:
            if not self.lost():
                self._renewed = sent

    def _keep_renewing(self) -> None:
        while not self._ended.wait(self._seconds / _RENEWALS) and not self.lost():
            self.renew_once()
