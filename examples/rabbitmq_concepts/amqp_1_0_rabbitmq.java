import static java.util.concurrent.TimeUnit.SECONDS;

import com.rabbitmq.client.amqp.*;
import com.rabbitmq.client.amqp.impl.AmqpEnvironmentBuilder;
import java.util.Map;
import java.util.concurrent.*;

/** Settles one order with three outcomes, and prints those of two that it sends. */
class Outcomes {
    record Delivery(Consumer.Context context, Message message) {
        String order() {
            return new String(message.body());
        }
    }

    static final BlockingQueue<Delivery> DELIVERIES = new LinkedBlockingQueue<>();

    static Delivery receive() throws Exception {
        var delivery = DELIVERIES.poll(10, SECONDS);
        if (delivery == null) throw new TimeoutException("No order came.");
        return delivery;
    }

    /** Sends an order and returns the outcome that the broker settles it with. */
    static Publisher.Status send(PublisherBuilder address, String order)
            throws Exception {
        var outcome = new CompletableFuture<Publisher.Status>();
        try (var publisher = address.build()) {
            var message = publisher.message(order.getBytes());
            publisher.publish(message, context -> outcome.complete(context.status()));
            return outcome.get(10, SECONDS);
        }
    }

    static void settle() throws Exception {
        var first = receive();
        System.out.printf("%s: %s, customer %s%n", first.order(),
            first.message().contentType(), first.message().property("customer"));
        first.context().requeue();
        var second = receive();
        System.out.printf("released, failed so far: %d%n",
            second.message().deliveryCount());
        second.context().requeue(Map.of("x-opt-reason", "no stock"), true);
        var third = receive();
        System.out.printf("modified, failed so far: %d, %s%n",
            third.message().deliveryCount(),
            third.message().annotation("x-opt-reason"));
        third.context().accept();
    }

    public static void main(String[] arguments) throws Exception {
        String url = arguments[0], queue = arguments[1];
        try (var environment = new AmqpEnvironmentBuilder().build();
                var connection = environment.connectionBuilder().uri(url).build();
                var consumer = connection.consumerBuilder().queue(queue)
                    .messageHandler((context, message) ->
                        DELIVERIES.add(new Delivery(context, message)))
                    .build()) {
            settle();
            var toQueue = connection.publisherBuilder().queue(queue);
            System.out.println("order 2, to the queue: " + send(toQueue, "order 2"));
            var toNobody = connection.publisherBuilder()
                .exchange("amq.direct").key("no");
            System.out.println("order 3, to nobody: " + send(toNobody, "order 3"));
            var last = receive();
            System.out.println("received: " + last.order());
            last.context().accept();
        }
        System.exit(0);  // Idle threads of the client would take three seconds to end.
    }
}
