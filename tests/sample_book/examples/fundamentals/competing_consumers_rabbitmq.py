"""Two workers share one queue."""


def send(url, queue):
    return [f"order {number}" for number in range(3)]


def receive(orders):
    """Return the orders of each of the two workers."""
    return orders[:2], orders[2:]


if __name__ == "__main__":
    print(receive(send("amqp://localhost", "orders")))
