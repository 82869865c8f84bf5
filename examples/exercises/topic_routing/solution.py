"""Bind three queues to a topic exchange, so that each gets its part of the events.

A routing key is the kind, the country, and what happened, in one word or in several:
`order.de.placed`, `order.fr.gift.placed`, `payment.de.failed`,
`payment.fr.card.failed`. `bind(channel, exchange, packing, alarms, germany)` gets the
names of three queues that are there. `packing` is to get each order that was placed, in
any country, but no gift and no other longer key. `alarms` is to get each key whose last
word is `failed`, and `germany` each key whose second word is `de`, whatever follows,
even nothing.
"""


def bind(channel, exchange, packing, alarms, germany):
    """Declare the topic exchange and bind the three queues to it."""
    channel.exchange_declare(exchange, "topic", durable=True)
    channel.queue_bind(packing, exchange, routing_key="order.*.placed")
    channel.queue_bind(alarms, exchange, routing_key="#.failed")
    channel.queue_bind(germany, exchange, routing_key="*.de.#")
