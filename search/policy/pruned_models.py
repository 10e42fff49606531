"""Which ways of pruning came to the very same model: rounded to whole vectors, few widths are left.

Of a ResNet-20 of double width, sparsities of 0.7, 0.75 and 0.8 leave the same channels. Taken for
three models, each would be trained, swept and measured as the others were: in a search of 50
minutes 229 of 791 trials measured a file, with the same flags, that had been measured before.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from evaluators.candidate import Candidate
from search.policy.identity import prefix_of
from search.records import TrialRecord


@dataclass(slots=True)
class PrunedModels:
    """Learns from records which candidates are one another under another name."""

    _digests: dict[Hashable, str] = field(default_factory=dict)
    _ways: dict[str, list[Candidate]] = field(default_factory=dict)

    def learn(self, candidate: Candidate, record: TrialRecord) -> None:
        """Learn from one trial; one that wasn't built says nothing."""
        digest = record.facts.get("compress", {}).get("digest")
        prefix = prefix_of(candidate)
        if digest is not None and prefix not in self._digests:
            self._digests[prefix] = digest
            self._ways.setdefault(digest, []).append(candidate)

    def ways_to(self, candidate: Candidate) -> list[Candidate]:
        """Return the candidate with each way of pruning that came to its model, by age."""
        digest = self._digests.get(prefix_of(candidate))
        if digest is None:
            return [candidate]
        return [
            replace(
                candidate,
                sparsity=way.sparsity,
                importance=way.importance,
                round_to=way.round_to,
            )
            for way in self._ways[digest]
        ]

    def first_way_to(self, candidate: Candidate) -> Candidate:
        """Return the name under which a candidate's model was met first."""
        return self.ways_to(candidate)[0]
