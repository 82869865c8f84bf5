"""Have RabbitMQ save what it would save a moment later."""

from labs.minority_partition import evaluate

# Ra is the library under quorum queues; this is its table of their names.
SAVE = """#{names := #{directory_rev := Names}} = ra_system:fetch(quorum_queues),
dets:sync(Names)."""


def save_queue_names(node):
    """Have the node save the names of its quorum queues.

    A quorum queue of less than a second otherwise dies with its only node.
    """
    evaluate(node, SAVE)
