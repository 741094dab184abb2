"""One line per scenario and client, and the totals."""

import threading
import traceback


class Report:
    def __init__(self):
        self.passed = self.failed = 0
        self._lock = threading.Lock()

    def line(self, ok, scenario, pair, who, text):
        with self._lock:
            self.passed += bool(ok)
            self.failed += not ok
            print(
                f"{'ok  ' if ok else 'FAIL'} {scenario:<10} {pair:<13} {who:<15} {text}", flush=True
            )
        return ok

    def compare(self, scenario, pair, who, proxied, direct, ok):
        return self.line(ok, scenario, pair, who, f"proxied: {proxied} | direct: {direct}")

    def guard(self, scenario, pair, who, body, clients=lambda: (), shunt=None):
        """Runs a part; an exception is its failure, with the last words of those concerned (asked for only then)."""
        try:
            return body()
        except Exception as error:  # every other part still runs
            words = [traceback.format_exc(limit=-3).strip()]
            words += [f"-- {c.log}\n{c.tail()}" for c in clients() if c.name in str(error)]
            if shunt:
                words.append(f"-- {shunt.program.log}\n{shunt.program.tail()}")
            self.line(
                False, scenario, pair, who, f"{type(error).__name__}: {error}\n" + "\n".join(words)
            )
            return None


def together(*bodies):
    """Runs the bodies at the same time and waits for all."""
    threads = [threading.Thread(target=body) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
