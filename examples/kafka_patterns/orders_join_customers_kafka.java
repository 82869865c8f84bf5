import java.io.FileReader;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

/** Adds to each order the city of its customer, who is the key in both topics. */
class OrdersJoinCustomers {
    static Topology topology(String orders, String customers, String parcels) {
        var text = Serdes.String();
        var builder = new StreamsBuilder();
        KTable<String, String> cities =
            builder.table(customers, Consumed.with(text, text));
        KStream<String, String> stream =
            builder.stream(orders, Consumed.with(text, text));
        stream
            .join(cities, (order, city) -> order + " to " + city)
            .to(parcels, Produced.with(text, text));
        return builder.build();
    }

    public static void main(String[] arguments) throws Exception {
        var settings = new Properties();
        settings.load(new FileReader(arguments[0]));
        var topology = topology(arguments[1], arguments[2], arguments[3]);
        var streams = new KafkaStreams(topology, settings);
        streams.setStateListener((now, before) -> System.out.println(now));
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
