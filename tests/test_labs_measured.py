"""The labs that measure: variants are compared with each other, and never brokers."""

import json
from math import ceil, floor
from statistics import median

import pytest
from brokers import labs
from lab_verdicts import MEASURING, clusters
from labs import latency

RATE, STORED = "messages a second", "bytes stored for each"
# Of which variant is a quantity how many times that of which other, at the least.
AT_LEAST = [
    ("Kafka sends: base", "Kafka sends: one by one", RATE, 3),
    ("Kafka sends: base", "Kafka sends: zstd", STORED, 2),
    ("RabbitMQ sends: base", "RabbitMQ sends: one by one", RATE, 3),
    ("Kafka sends: base", "Kafka sends: no batches", RATE, 1.2),
    ("Kafka sends: base", "Kafka sends: lz4", STORED, 1.5),
    ("Kafka sends: Java's tool", "Kafka sends: kafka-python", RATE, 1),
    ("Kafka reads: base", "Kafka reads: commit each", RATE, 10),
    ("Kafka reads: Java's tool", "Kafka reads: kafka-python", RATE, 1),
    ("RabbitMQ sends: 1000 unconfirmed", "RabbitMQ sends: 10 unconfirmed", RATE, 1.5),
    ("RabbitMQ reads: base", "RabbitMQ reads: prefetch 1", RATE, 2),
]
LIVE = AT_LEAST[:3]
# The page names these ratios of messages a second.
RATIOS = [
    (f"{group}: {more}", f"{group}: {less}")
    for group, pairs in {
        "Kafka sends": (
            ("base", "one by one"),
            ("batches to 256 KiB", "base"),
            ("acks=1", "base"),
            ("1 replica", "base"),
            ("100 bytes", "base"),
            ("base", "kafka-python"),
            ("linger 50 ms", "base"),
            ("4 partitions", "base"),
            ("2 producers", "base"),
            ("Java's tool", "base"),
        ),
        "Kafka reads": (("base", "commit each"), ("Java's tool", "base")),
        "RabbitMQ sends": (
            ("base", "one by one"),
            ("1000 unconfirmed", "10 unconfirmed"),
            ("classic queue", "base"),
            ("PerfTest", "base"),
            ("no confirms", "1000 unconfirmed"),
            ("stream", "base"),
            ("10 KiB", "base"),
            ("2 publishers, 2 queues", "base"),
        ),
        "RabbitMQ reads": (
            ("base", "prefetch 1"),
            ("prefetch 1000", "base"),
            ("acknowledged by sending", "base"),
            ("PerfTest", "base"),
        ),
    }.items()
    for more, less in pairs
]
PAGE = labs.LABS.parents[1] / "book" / "kafka_versus_rabbitmq" / "index.md"
STALLS = [f"{broker}: stall, after the answer" for broker in ("Kafka", "RabbitMQ")]


def recorded(name):
    """Return the recorded rounds of a lab: what was counted for each variant."""
    runs = json.loads((labs.LABS / f"{name}.json").read_text())["runs"]
    many = len(labs.load(name).VARIANTS)
    rounds = (runs[first : first + many] for first in range(0, len(runs), many))
    return [{each["variant"]: each["counts"] for each in some} for some in rounds]


@pytest.mark.parametrize("name", MEASURING)
def test_at_least_five_rounds_of_every_variant_are_recorded(name):
    rounds = recorded(name)
    assert len(rounds) >= 5
    assert all(tuple(each) == labs.load(name).VARIANTS for each in rounds)


@pytest.mark.parametrize(("more", "less", "what", "times"), AT_LEAST)
def test_in_each_recorded_round_a_variant_has_the_more_that_the_page_says(
    more, less, what, times
):
    for each in recorded("throughput"):
        assert each[more][what] >= times * each[less][what]


@pytest.mark.parametrize(("more", "less"), RATIOS)
def test_the_page_names_the_ratio_of_the_recorded_rounds(more, less):
    rates = [(each[more][RATE], each[less][RATE]) for each in recorded("throughput")]
    ratios = sorted(one / other for one, other in rates)
    digits = 0 if median(ratios) >= 10 else 1
    least, most = (f"{each:.{digits}f}" for each in (ratios[0], ratios[-1]))
    assert f"{median(ratios):.{digits}f} times ({least} to {most})" in PAGE.read_text()


def counted_in(name, variant, what):
    """Return what was counted in each recorded round, in order of size."""
    return sorted(each[variant][what] for each in recorded(name))


def test_the_page_names_the_bytes_that_compression_leaves():
    base, lz4, gzip, zstd = (
        f"{median(counted_in('throughput', f'Kafka sends: {each}', STORED)):,}"
        for each in ("base", "lz4", "gzip", "zstd")
    )
    told = f"of {base} that the broker stored for each record, lz4 left {lz4}, gzip "
    assert f"{told}{gzip} and zstd {zstd}." in PAGE.read_text()


@pytest.mark.parametrize(
    ("broker", "told"),
    [
        ("Kafka", "three nodes of Kafka had {} to {} MB of memory together"),
        ("RabbitMQ", "those of RabbitMQ {} to {}"),
    ],
)
def test_the_page_names_the_memory_of_the_brokers(broker, told):
    found = [
        counts["brokers' memory, MB"]
        for each in recorded("throughput")
        for variant, counts in each.items()
        if variant.startswith(broker)
    ]
    assert told.format(f"{min(found):,}", f"{max(found):,}") in PAGE.read_text()


def test_the_page_names_the_medians_of_latency():
    def p50(broker, rate):
        variant = f"{broker}: {rate} a second"
        return counted_in("latency", variant, "p50 since planned, ms")

    kafka, rabbitmq = (
        {rate: p50(broker, rate) for rate in latency.RATES}
        for broker in ("Kafka", "RabbitMQ")
    )
    low, fast, fastest = (median(rabbitmq[rate]) for rate in (250, 2000, 4000))
    middles = [median(each) for each in kafka.values()]
    page = PAGE.read_text()
    assert f"RabbitMQ's median was {low} ms and Kafka's {median(kafka[250])}." in page
    assert f"between {floor(min(middles))} and {ceil(max(middles))} ms at every" in page
    assert f"RabbitMQ's rose to {fast} ms at 2,000 and {fastest:.0f} ms at" in page
    least, most = rabbitmq[4000][0], rabbitmq[4000][-1]
    assert f"least round had {least:.0f} ms and its worst {most:.0f}" in page


def assert_hidden(counts):
    """Assert that the stall hides from who counts from when an order was sent."""
    assert counts["p99 since sent, ms"] < 400 < 600 < counts["p99 since planned, ms"]


@pytest.mark.parametrize("variant", STALLS)
def test_in_each_recorded_round_waiting_for_answers_hides_the_stall(variant):
    for each in recorded("latency"):
        assert_hidden(each[variant])


@pytest.mark.parametrize("variant", STALLS)
def test_in_each_recorded_round_the_clock_shows_the_stall(variant):
    for each in recorded("latency"):
        by_the_clock = each[variant.replace("after the answer", "by the clock")]
        assert by_the_clock["p99 since planned, ms"] > 600


# Live


@pytest.fixture(scope="module")
def counted():
    """A function that returns what a run of a variant counts; each is run once."""
    known = {}
    with clusters() as start:

        def counted(name, variant):
            if variant not in known:
                lab = labs.load(name)
                known[variant] = labs.once(lab, start(lab), variant)["counts"]
            return known[variant]

        yield counted


@pytest.mark.parametrize(("more", "less", "what", "times"), LIVE)
def test_a_variant_has_the_more_that_the_page_says(counted, more, less, what, times):
    found = [counted("throughput", variant)[what] for variant in (more, less)]
    # A rate depends on what else the computer does; the recorded ones were taken alone.
    assert found[0] >= (1 if what == RATE else times) * found[1]


@pytest.mark.parametrize(
    "variant", ["Kafka sends: Java's tool", "RabbitMQ reads: base"]
)
def test_what_a_variant_takes_of_the_processor_and_of_memory_is_known(counted, variant):
    counts = counted("throughput", variant)
    assert counts["brokers' processor, %"] > 0 < counts["clients' processor, %"]
    assert counts["brokers' memory, MB"] > 100
    assert counts["clients' memory, MB"] > 10


@pytest.mark.parametrize("broker", ["Kafka", "RabbitMQ"])
def test_every_order_sent_by_the_clock_has_a_wait(counted, broker):
    counts = counted("latency", f"{broker}: 250 a second")
    assert counts["orders"] == 1000
    assert 0 < counts["p50 since planned, ms"] <= counts["p99.9 since planned, ms"]


def test_one_process_s_latency_is_no_shorter_than_its_time_on_the_way(counted):
    counts = counted("latency", "RabbitMQ: 250 a second")
    assert counts["longest since planned, ms"] >= counts["longest since sent, ms"]
