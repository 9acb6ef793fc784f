"""Labels against labels: accuracy, precision, recall and F1 of each class, and which is taken for which.

The conventions are those of scikit-learn's `classification_report` and `confusion_matrix`: classes are those of both
sides in the order of their names, and what is divided by zero is zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

_Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Classes:
    """What a classifier scores. Made by `of`."""

    labels: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    """(num_labels, num_labels): how often the label of the row was given that of the column."""

    @classmethod
    def of(cls, references: Mapping[str, str], hypotheses: Mapping[str, str]) -> "Classes":
        """Of labels by id, the same ids on both sides; an empty hypothesis is one that could not be made."""
        labels = tuple(sorted({*references.values(), *hypotheses.values()}))
        index = {label: place for place, label in enumerate(labels)}
        counts = np.zeros((len(labels), len(labels)), np.int64)
        for key, label in references.items():
            counts[index[label], index[hypotheses[key]]] += 1
        return cls(labels, counts)

    @property
    def num_items(self) -> int:
        """How many labels were given."""
        return int(self.counts.sum())

    @property
    def accuracy(self) -> float:
        """The share of them that is right."""
        return float(np.trace(self.counts)) / max(1, self.num_items)

    @property
    def rates(self) -> dict[str, float]:
        """The share that is wrong."""
        return {"error": (self.num_items - int(np.trace(self.counts))) / max(1, self.num_items)}

    @property
    def support(self) -> npt.NDArray[np.int64]:
        """How often each label is the right one: (num_labels,)."""
        return np.asarray(self.counts.sum(axis=1))

    @cached_property
    def _by_class(self) -> tuple[_Values, _Values, _Values]:
        right = np.diag(self.counts).astype(float)
        precision = _divided(right, self.counts.sum(axis=0))
        recall = _divided(right, self.support)
        return precision, recall, _divided(2 * right, self.counts.sum(axis=0) + self.support)

    @property
    def precision(self) -> _Values:
        """Of each label, the share of those given that is right: (num_labels,)."""
        return self._by_class[0]

    @property
    def recall(self) -> _Values:
        """Of each label, the share of those that are right that was given: (num_labels,)."""
        return self._by_class[1]

    @property
    def f1(self) -> _Values:
        """The harmonic mean of precision and recall: (num_labels,)."""
        return self._by_class[2]

    @property
    def summary(self) -> str:
        """Accuracy in a line."""
        return f"ACC {self.accuracy:.4f} ({np.trace(self.counts)} of {self.num_items})"

    def to_dict(self) -> dict[str, Any]:
        """For JSON: what `classification_report(output_dict=True)` has, and the confusion matrix."""
        columns = ("precision", "recall", "f1-score", "support")
        rows = {name: dict(zip(columns, values, strict=True)) for name, *values in self._rows()}
        return {
            "accuracy": self.accuracy,
            "classes": {label: rows[label] for label in self.labels},
            "macro avg": rows["macro avg"],
            "weighted avg": rows["weighted avg"],
            "confusion": self.counts.tolist(),
        }

    def to_text(self, digits: int = 4) -> str:
        """As `classification_report` prints it."""
        averages = ("macro avg", "weighted avg")
        size = max(len(name) for name in (*self.labels, *averages))
        lines = [f"{'':>{size}} " + "".join(f" {name:>9}" for name in ("precision", "recall", "f1-score", "support"))]
        lines.append("")
        for name, precision, recall, f1, support in self._rows():
            if name == averages[0]:
                blank = " " * 20
                lines += ["", f"{'accuracy':>{size}} {blank} {self.accuracy:>9.{digits}f} {self.num_items:>9}"]
            numbers = "".join(f" {value:>9.{digits}f}" for value in (precision, recall, f1))
            lines.append(f"{name:>{size}} {numbers} {support:>9}")
        return "\n".join([*lines, ""])

    def _rows(self) -> list[tuple[str, float, float, float, int]]:
        """Precision, recall, F1 and support of each label, their mean, and the mean weighted by support."""
        columns = (column.tolist() for column in self._by_class)
        rows = list(zip(self.labels, *columns, self.support.tolist(), strict=True))
        averages: list[tuple[str, float, float, float, int]] = []
        for name, weights in (("macro avg", None), ("weighted avg", self.support)):
            means = [float(np.average(column, weights=weights)) if rows else 0.0 for column in self._by_class]
            averages.append((name, means[0], means[1], means[2], self.num_items))
        return [*rows, *averages]


def _divided(one: _Values, other: npt.NDArray[Any]) -> _Values:
    """One by the other, 0 where the other is."""
    return np.asarray(np.divide(one, other, out=np.zeros_like(one), where=other > 0))
