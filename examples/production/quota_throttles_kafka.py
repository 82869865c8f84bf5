"""A quota slows down a producer that floods the cluster, and its neighbour goes on.

Watch the client: nothing is refused, but the answers tell it to wait, and the broker
reads nothing from it meanwhile.
"""

from concurrent.futures import ThreadPoolExecutor

from kafka import KafkaAdminClient, KafkaProducer


def set_quota(tool, node, client, rate):
    """Allow whoever calls itself `client` to write `rate` bytes a second."""
    quota = ["--alter", "--add-config", f"producer_byte_rate={rate}"]
    whom = ["--entity-type", "clients", "--entity-name", client]
    tool(node, "kafka-configs", *quota, *whom).check_returncode()


def send_orders(bootstrap, topic, client, count):
    """Send orders of 10 kB as fast as they go and wait for all acknowledgements; return
    how many milliseconds an answer told it to wait at most.
    """
    # Each order is a request of its own, with an answer of its own.
    limits = {"client_id": client, "batch_size": 0}
    with KafkaProducer(bootstrap_servers=bootstrap, **limits) as producer:
        sent = [producer.send(topic, bytes(10_000)) for _ in range(count)]
        for each in sent:
            each.get(timeout=60)
        return producer.metrics()["producer-metrics"]["throttle-time-max"]


def main(broker, tool, topic="orders"):
    with KafkaAdminClient(bootstrap_servers=broker.address) as admin:
        admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)
    set_quota(tool, broker.nodes[0], "greedy", 100_000)
    print("greedy may write 100 kB a second, and both send 150 orders of 10 kB")
    with ThreadPoolExecutor(2) as threads:
        greedy, neighbour = (
            threads.submit(send_orders, broker.address, topic, client, 150)
            for client in ("greedy", "neighbour")
        )
        held = neighbour.result(timeout=60)
        print(f"neighbour: all acknowledged, it was told to wait: {held > 0}")
        print(f"greedy is done: {greedy.done()}")
        held = greedy.result(timeout=60)
        print(f"greedy: all acknowledged, it was told to wait: {held > 0}")
