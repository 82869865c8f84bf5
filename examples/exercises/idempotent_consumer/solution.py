"""Book each payment once, however often its message comes.

`consume(url, queue, postgres, count)` takes `count` messages from the queue. The body
is an amount, and the property `message_id` names the payment; a repetition has the
same. The amount is to be added to the account once for each payment, and each message
to be acknowledged, wherever a worker dies. The tables are there: `account (balance
int)`, which has one row, and `inbox (id text PRIMARY KEY)`, which is empty and for your
use.
"""

from itertools import islice

import pika
import psycopg


def book(database, payment, amount):
    """Add a payment to the account, unless that was done before."""
    known = "INSERT INTO inbox VALUES (%s) ON CONFLICT DO NOTHING"
    with database.transaction():  # The identifier and the effect, or neither.
        if database.execute(known, [payment]).rowcount:
            database.execute("UPDATE account SET balance = balance + %s", [amount])


def consume(url, queue, postgres, count):
    """Take `count` messages, or fewer if none has come for five seconds."""
    with (
        psycopg.connect(postgres) as database,
        pika.BlockingConnection(pika.URLParameters(url)) as connection,
    ):
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        messages = channel.consume(queue, inactivity_timeout=5)
        for method, properties, body in islice(messages, count):
            if method is None:
                return
            book(database, properties.message_id, int(body))
            channel.basic_ack(method.delivery_tag)
