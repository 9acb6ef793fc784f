"""What Prometheus reads at /metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from asr.serve.work import Work

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Counters of one server."""

    def __init__(self, work: Work) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "asr_requests_total", "Requests by path and status.", ["path", "status"], registry=self._registry
        )
        self.sound = Counter(
            "asr_sound_seconds_total", "Seconds of sound recognised.", ["kind"], registry=self._registry
        )
        self.recognition = Histogram(
            "asr_recognition_seconds",
            "From a recording or a block to its result, by kind.",
            ["kind"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        waiting = Gauge("asr_waiting_requests", "Recordings that wait or are recognised.", registry=self._registry)
        waiting.set_function(lambda: work.num_waiting)
        streams = Gauge("asr_open_streams", "Open connections of live sound.", registry=self._registry)
        streams.set_function(lambda: work.num_streams)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
