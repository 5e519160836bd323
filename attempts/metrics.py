"""What is counted about attempts, for `/metrics`. Not by language: users make those up."""

from prometheus_client import Counter

from core.metrics import REGISTRY

ATTEMPTS = Counter("attempts", "Attempts sent, by what became of them.", ["outcome"], registry=REGISTRY)
SOLVED, UNSOLVED, REPLAYED = (ATTEMPTS.labels(outcome) for outcome in ("solved", "unsolved", "replayed"))
