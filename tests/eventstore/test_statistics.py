"""How values are counted."""

from hypothesis import given
from hypothesis import strategies as st

from eventstore.statistics import Histogram


@given(st.lists(st.sampled_from((0, 0.5, 1, 1.5, 2, 3, 4, 5, 1000))))
def test_each_value_is_counted_once_under_the_first_bound_that_it_does_not_exceed(values: list[float]) -> None:
    """A value that is a bound is at most that bound; what is above all of them is counted too."""
    histogram = Histogram(1, 2, 4)

    for value in values:
        histogram.observe(value)

    assert sum(histogram.counts) == len(values)
    assert histogram.sum == sum(values)
    for position, bound in enumerate(histogram.bounds):
        assert sum(histogram.counts[: position + 1]) == sum(value <= bound for value in values)
