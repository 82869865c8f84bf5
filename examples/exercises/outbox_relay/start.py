"""Write an order and its event in one transaction, and bring the event to the broker.

`place_order(postgres, order)` writes a number into `orders (id)` and its event into
`outbox (id, order_id, sent)`: both, or neither. `relay(url, queue, postgres)` publishes
the events that are not sent, in the order of their ids: persistent messages with the
order's number as the body and the event's id as the `message_id`. It ends when none is
left, or with an error if an event finds no queue or is refused. It may be killed
anywhere: then an event may come twice, and none may be lost.
"""

import pika
import psycopg

UNSENT = "SELECT id, order_id FROM outbox WHERE NOT sent"
MARK = "UPDATE outbox SET sent = true WHERE id = %s"


def place_order(postgres, order):
    """Write an order and its event."""
    with psycopg.connect(postgres, autocommit=True) as shop:
        # Finish this: what if the database dies between the two?
        shop.execute("INSERT INTO orders VALUES (%s)", [order])
        shop.execute("INSERT INTO outbox (order_id) VALUES (%s)", [order])


def relay(url, queue, postgres):
    """Publish what is in the outbox and not yet sent."""
    with (
        psycopg.connect(postgres, autocommit=True) as shop,
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
    ):
        channel = connection.channel()
        # Finish this: in which order do the rows come?
        for event, order in shop.execute(UNSENT).fetchall():
            # Finish this: when is an event sent, and how does the relay know?
            shop.execute(MARK, [event])
            properties = pika.BasicProperties(message_id=str(event), delivery_mode=2)
            channel.basic_publish("", queue, str(order).encode(), properties)
