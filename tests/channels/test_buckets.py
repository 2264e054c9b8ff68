import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.buckets import DEFAULT_RATES, SUBJECT_RATES, Rate, SubjectBuckets, TokenBucket, take_all, take_each

NOW = 1_000.0
rates = st.builds(Rate, st.floats(1, 1e7), st.floats(0.01, 1e7))
clocks = st.floats(0, 1e9)


@pytest.mark.clause("L22")
@pytest.mark.accept("D1", "D2", "K4")
def test_each_kind_of_message_has_its_own_bucket_with_the_default_figures() -> None:
    assert {name: str(rate) for name, rate in DEFAULT_RATES.items()} == {
        "ping": "120/2",
        "subscribe": "30/1",
        "unsubscribe": "30/1",
        "publish": "60/10",
        "emit": "1000/1000",
        "default": "60/10",
    }


@pytest.mark.clause("L24")
def test_a_subject_has_ten_times_the_buckets_for_publish_and_emit() -> None:
    assert {name: str(rate) for name, rate in SUBJECT_RATES.items()} == {"publish": "600/100", "emit": "10000/10000"}


@pytest.mark.accept("D1")
def test_a_rate_is_read_from_capacity_and_refill() -> None:
    assert Rate.parse("60/2.5") == Rate(60, 2.5)


@pytest.mark.parametrize("text", ["60", "60/", "a/b", "60/10/1", "", "0/1", "10/0", "10/-1", "nan/1", "inf/1", "1/inf"])
def test_any_other_rate_is_refused_with_what_was_expected_and_what_came(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected .*, came ") as refusal:
        Rate.parse(text)
    assert repr(text) in str(refusal.value)


@pytest.mark.clause("L22")
@pytest.mark.accept("D1")
@pytest.mark.parametrize("name", list(DEFAULT_RATES))
def test_a_bucket_is_full_at_the_start_and_pays_no_more_than_its_capacity(name: str) -> None:
    bucket = TokenBucket(DEFAULT_RATES[name], NOW)
    granted = [bucket.take(1, NOW) == 0.0 for _ in range(int(bucket.rate.capacity) + 1)]
    assert granted == [True] * int(bucket.rate.capacity) + [False]


@pytest.mark.clause("L22", "L23")
def test_a_second_later_the_bucket_pays_its_refill() -> None:
    bucket = TokenBucket(Rate(60, 10), NOW)
    bucket.take(60, NOW)
    granted = [bucket.take(1, NOW + 1) == 0.0 for _ in range(11)]
    assert granted == [True] * 10 + [False]


@pytest.mark.clause("L23")
def test_the_time_to_wait_is_exact() -> None:
    bucket = TokenBucket(Rate(60, 10), NOW)
    bucket.take(60, NOW)
    assert [bucket.take(4, NOW), bucket.take(4, NOW + 0.25)] == pytest.approx([0.4, 0.15])


@pytest.mark.clause("L23")
def test_a_refused_cost_takes_nothing_and_is_counted() -> None:
    bucket = TokenBucket(Rate(10, 1), NOW)
    bucket.take(8, NOW)
    bucket.take(5, NOW)
    assert (bucket.level(NOW), bucket.refused) == (2.0, 5.0)


@pytest.mark.clause("L23")
def test_a_cost_above_the_capacity_is_never_paid() -> None:
    assert TokenBucket(Rate(10, 1), NOW).take(11, NOW) == math.inf


def test_a_clock_that_steps_back_gives_nothing_and_takes_nothing() -> None:
    bucket = TokenBucket(Rate(10, 1), NOW)
    bucket.take(10, NOW)
    assert [bucket.level(NOW - 5), bucket.take(1, NOW - 5), bucket.level(NOW + 1)] == pytest.approx([0.0, 6.0, 1.0])


def test_a_payment_at_a_clock_that_stepped_back_is_not_refilled_twice() -> None:
    bucket = TokenBucket(Rate(10, 1), NOW)
    bucket.take(5, NOW)
    bucket.take(1, NOW - 10)
    assert bucket.level(NOW) == 4.0


@pytest.mark.clause("L23")
@given(rate=rates, now=clocks, costs=st.lists(st.tuples(st.floats(0.01, 1e7), st.floats(0, 100)), max_size=20))
def test_who_waits_exactly_as_long_as_told_is_granted(rate: Rate, now: float, costs: list[tuple[float, float]]) -> None:
    bucket = TokenBucket(rate, now)
    for cost, pause in costs:
        now += pause
        wait = bucket.take(min(cost, rate.capacity), now)
        if wait > 0:
            now += wait
            assert bucket.take(min(cost, rate.capacity), now) == 0.0


@pytest.mark.clause("L23")
@given(rate=rates, cost=st.floats(0.01, 1e7))
def test_who_comes_noticeably_earlier_than_told_is_refused(rate: Rate, cost: float) -> None:
    bucket = TokenBucket(rate, 0.0)
    bucket.take(rate.capacity, 0.0)
    wait = bucket.take(min(cost, rate.capacity), 0.0)
    assert bucket.take(min(cost, rate.capacity), wait * 0.999) > 0.0


@pytest.mark.clause("L22")
@given(rate=rates, steps=st.lists(st.tuples(st.floats(0.01, 100), st.floats(0, 10)), min_size=1, max_size=50))
def test_no_stretch_of_time_pays_more_than_capacity_and_refill(rate: Rate, steps: list[tuple[float, float]]) -> None:
    bucket = TokenBucket(rate, 0.0)
    now = paid = 0.0
    for cost, pause in steps:
        now += pause
        if bucket.take(cost, now) == 0.0:
            paid += cost
    assert paid <= (rate.capacity + rate.refill * now) * (1 + 1e-9)


@pytest.mark.clause("L24")
def test_more_than_100_times_the_refill_refused_within_5_s_is_abuse() -> None:
    bucket = TokenBucket(Rate(1, 2), NOW)
    bucket.take(1, NOW)
    verdicts = []
    for i in range(202):
        bucket.take(1, NOW + i * 0.001)
        verdicts.append(bucket.is_abused(NOW + i * 0.001))
    assert (verdicts[199], verdicts[200]) == (False, True)


@pytest.mark.clause("L24")
def test_the_same_refusals_spread_over_a_longer_time_are_no_abuse() -> None:
    bucket = TokenBucket(Rate(1, 0.01), NOW)
    bucket.take(1, NOW)
    verdicts = []
    for i in range(20):
        now = NOW + i * 5.0
        bucket.take(1, now)
        verdicts.append(bucket.is_abused(now))
    assert verdicts == [False] * 20


@pytest.mark.clause("L24")
def test_refusals_older_than_5_s_are_forgiven_but_stay_counted() -> None:
    bucket = TokenBucket(Rate(1, 0.1), NOW)
    bucket.take(1, NOW)
    for _ in range(11):
        bucket.take(1, NOW)
    assert (bucket.is_abused(NOW), bucket.is_abused(NOW + 5), bucket.refused) == (True, False, 11.0)


@pytest.mark.clause("L23", "L24")
def test_two_buckets_pay_together_or_not_at_all() -> None:
    own, shared = TokenBucket(Rate(10, 1), NOW), TokenBucket(Rate(100, 1), NOW)
    waits = [take_all(own, shared, 8, NOW), take_all(own, shared, 8, NOW)]
    assert (waits, own.level(NOW), shared.level(NOW)) == ([0.0, 6.0], 2.0, 92.0)


@pytest.mark.clause("L24")
def test_the_refusal_is_counted_in_the_bucket_that_could_not_pay() -> None:
    own, shared = TokenBucket(Rate(10, 1), NOW), TokenBucket(Rate(100, 1), NOW)
    take_all(own, shared, 11, NOW)
    assert (own.refused, shared.refused) == (11.0, 0.0)


@pytest.mark.clause("L24")
def test_all_connections_of_a_subject_share_its_bucket() -> None:
    buckets = SubjectBuckets({"publish": Rate(2, 1)})
    first, again, other = (buckets.bucket(subject, "publish", NOW) for subject in ("ann", "ann", "bob"))
    assert (first is again, first is other) == (True, False)


@pytest.mark.clause("L24")
def test_a_kind_of_message_without_a_rate_for_subjects_has_no_such_bucket() -> None:
    assert SubjectBuckets().bucket("ann", "ping", NOW) is None


@pytest.mark.clause("L24")
def test_a_subjects_bucket_is_forgotten_once_it_is_full_again_and_not_before() -> None:
    buckets = SubjectBuckets({"publish": Rate(10, 1)})
    bucket = buckets.bucket("ann", "publish", NOW)
    assert bucket is not None
    bucket.take(5, NOW)
    sizes = []
    for now in (NOW + 4.9, NOW + 5):
        buckets.sweep(now)
        sizes.append(len(buckets))
    assert sizes == [1, 0]


def test_a_sweep_looks_at_a_bounded_number_of_buckets_and_comes_to_all_in_turn() -> None:
    buckets = SubjectBuckets({"publish": Rate(10, 1)})
    for i in range(10):
        buckets.bucket(f"s{i}", "publish", NOW)
    sizes = []
    for _ in range(3):
        buckets.sweep(NOW, most=4)
        sizes.append(len(buckets))
    assert sizes == [6, 2, 0]


def test_the_number_of_subjects_is_bounded() -> None:
    buckets = SubjectBuckets({"publish": Rate(10, 1)}, most=3)
    for i in range(5):
        bucket = buckets.bucket(f"s{i}", "publish", NOW)
        assert bucket is not None
        bucket.take(5, NOW)
    assert len(buckets) == 3


def test_a_bucket_tells_its_state() -> None:
    bucket = TokenBucket(Rate(10, 1), NOW)
    bucket.take(3, NOW)
    assert repr(bucket) == "TokenBucket(10/1, level=7 at 1000, refused=0)"


def drained(buckets: SubjectBuckets, subject: str, now: float = NOW) -> TokenBucket:
    bucket = buckets.bucket(subject, "publish", now)
    assert bucket is not None
    bucket.take(bucket.rate.capacity, now)
    return bucket


@pytest.mark.clause("L24")
def test_a_bucket_that_is_asked_for_again_and_again_outlives_those_that_are_not() -> None:
    buckets = SubjectBuckets({"publish": Rate(10, 0.001)}, most=3)
    guarded = drained(buckets, "ann")
    for i in range(20):
        drained(buckets, f"s{i}")
        assert buckets.bucket("ann", "publish", NOW) is guarded
    assert (guarded.level(NOW), len(buckets)) == (0.0, 3)


@pytest.mark.clause("L24")
def test_a_full_bucket_makes_room_before_one_in_use() -> None:
    buckets = SubjectBuckets({"publish": Rate(10, 0.001)}, most=3)
    used = drained(buckets, "ann")
    for i in range(20):
        buckets.bucket(f"s{i}", "publish", NOW)
    assert buckets.bucket("ann", "publish", NOW) is used


def test_to_look_for_a_bucket_makes_none() -> None:
    buckets = SubjectBuckets({"publish": Rate(10, 1)})
    assert (buckets.find("ann", "publish"), len(buckets)) == (None, 0)
    assert buckets.find("bob", "publish") is buckets._buckets.get(("bob", "publish"))
    made = drained(buckets, "ann")
    assert (buckets.find("ann", "publish"), len(buckets)) == (made, 1)


def test_a_sweep_does_not_make_a_bucket_look_used() -> None:
    buckets = SubjectBuckets({"publish": Rate(10, 0.001)}, most=3)
    made = {name: drained(buckets, name) for name in ("old", "new", "newest")}
    buckets.sweep(NOW, most=1)
    drained(buckets, "next")
    kept = {name for name, bucket in made.items() if buckets.find(name, "publish") is bucket}
    assert kept == {"new", "newest"}


@pytest.mark.clause("L24")
@given(asked=st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.integers(0, 2)), max_size=80))
def test_the_buckets_that_are_kept_are_the_last_ones_used_however_sweeps_fall_between(
    asked: list[tuple[int, bool, int]],
) -> None:
    """With a refill too slow to matter: whoever paid is only forgotten after `most` others were asked for."""
    buckets = SubjectBuckets({"publish": Rate(10, 1e-9)}, most=4)
    order: list[str] = []
    for number, pays, swept in asked:
        name = f"s{number}"
        bucket = buckets.bucket(name, "publish", NOW)
        assert bucket is not None
        if pays or not bucket.is_full(NOW):
            bucket.take(1, NOW)
            order = [*(one for one in order if one != name), name]
        buckets.sweep(NOW, most=swept)
        assert len(buckets) <= 4
    assert all(buckets.find(name, "publish") is not None for name in order[-3:])


@pytest.mark.clause("L22", "L23", "L24")
@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 300)), min_size=1, max_size=20),
    st.floats(1, 500),
    st.floats(0.1, 300),
    st.booleans(),
)
def test_many_are_paid_exactly_as_one_by_one(
    asked: list[tuple[float, int]], capacity: float, refill: float, is_shared: bool
) -> None:
    """To the last bit: what is left, and so the time that is told to whom it refuses."""
    now = NOW
    rates = Rate(capacity, refill), Rate(capacity * 1.5, refill)
    at_once = [TokenBucket(rate, now) for rate in rates]
    singly = [TokenBucket(rate, now) for rate in rates]
    for pause, most in asked:
        now += pause
        granted = take_each(at_once[0], at_once[1] if is_shared else None, most, now)
        count = 0
        while count < most and all(bucket.wait(1, now) == 0.0 for bucket in singly[: 1 + is_shared]):
            take_all(singly[0], singly[1] if is_shared else None, 1, now)
            count += 1
        assert granted == count
        assert [bucket.level(now) for bucket in at_once] == [bucket.level(now) for bucket in singly]
        assert [bucket.wait(1, now) for bucket in at_once] == [bucket.wait(1, now) for bucket in singly]


@pytest.mark.clause("L24")
def test_of_many_those_that_cannot_be_paid_are_refused() -> None:
    bucket, singly = TokenBucket(Rate(3, 1), NOW), TokenBucket(Rate(3, 1), NOW)
    granted = [bucket.take_each(5, NOW), bucket.take_each(2, NOW + 1.5)]
    waits = [singly.take(1, NOW + (1.5 if number >= 5 else 0)) for number in range(7)]
    assert granted == [3, 1] == [waits[:5].count(0.0), waits[5:].count(0.0)]
    assert (bucket.refused, bucket.level(NOW + 2)) == (singly.refused, singly.level(NOW + 2)) == (3.0, 1.0)
