"""The answers of a board's rows as numbers, and what they come to: means with intervals, and differences."""

from collections.abc import Mapping, Sequence

from xreason.leaderboards.contenders import Contender, Key
from xreason.leaderboards.records import Reading
from xreason.leaderboards.statistics.answers import Answered, Answers, Outcomes, only
from xreason.leaderboards.statistics.intervals import Difference, Interval, Luck, differences, mean_interval, pooled_luck


class Measured:
    """All answers of a board's rows as numbers, each taken from its record once; of all questions, or of those of one level."""

    def __init__(self, contenders: Sequence[Contender], suite: str, level: int | None = None) -> None:
        """Takes the rows; `level` is what its questions weigh, None for all questions."""
        told = [(record.families or {}).get(suite) for each in contenders for record in each.records]
        self.families = next((each for each in told if each is not None), None)
        self.weights = contenders[0].records[0].weights.get(suite)
        self._places: list[int] | None = None
        if level is not None and self.weights is not None:
            self._places = [place for place, weight in enumerate(self.weights) if weight == level]
            told_of = self.families and tuple(self.families[place] for place in self._places if place < len(self.families))
            self.families, self.weights = told_of, None
        self._contenders = contenders
        self._answered: dict[tuple[Key, Reading], Answered] = {}
        self._luck: dict[tuple[Reading, tuple[str, ...]], Luck | None] = {}

    def of(self, runs: Sequence[Mapping[str, Outcomes]], contender: Contender) -> Answered:
        """Returns answers that are not the plain ones of a reading."""
        return Answered(runs, families=self.families, weights=self.weights, trained=contender.is_trained)

    def answers(self, contender: Contender, languages: Sequence[str], reading: Reading) -> Answers:
        """Returns a row's answers in these languages together."""
        known = self._answered.get((contender.key, reading))
        if known is None:
            common = set.intersection(*(set(scores) for scores in contender.scores))
            runs = [{code: only(scores[code].outcomes(reading), self._places) for code in common} for scores in contender.scores]
            known = self._answered[contender.key, reading] = self.of(runs, contender)
        return known.over(languages)

    def luck(self, languages: Sequence[str], reading: Reading) -> Luck | None:
        """Returns the luck of the board's methods, pooled over those that were scored in these languages."""
        if (asked := (reading, tuple(languages))) not in self._luck:
            there = [each for each in self._contenders if all(code in scores for scores in each.scores for code in languages)]
            self._luck[asked] = pooled_luck([self.answers(each, languages, reading) for each in there])
        return self._luck[asked]

    def mean(self, contender: Contender, languages: Sequence[str], reading: Reading) -> Interval:
        """Returns a row's mean over these languages."""
        return mean_interval(self.answers(contender, languages, reading), self.luck(languages, reading))

    def differences(
        self, pairs: Sequence[tuple[Contender, Contender]], languages: Sequence[str], reading: Reading
    ) -> list[Difference]:
        """Returns the first of each pair minus the second."""
        answers = {each.key: self.answers(each, languages, reading) for pair in pairs for each in pair}
        return differences([(answers[one.key], answers[other.key]) for one, other in pairs], self.luck(languages, reading))
