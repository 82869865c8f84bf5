import java.io.FileReader;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

/** Counts the orders of each customer and sends on each new count. */
class ExactlyOnceRestart {
    static Topology topology(String orders, String counts) {
        var text = Serdes.String();
        var builder = new StreamsBuilder();
        KTable<String, Long> table = builder
            .stream(orders, Consumed.with(text, text))
            .groupByKey()
            .count(Materialized.as("counts"));
        table.toStream()
            .mapValues(count -> count.toString())
            .to(counts, Produced.with(text, text));
        return builder.build();
    }

    public static void main(String[] arguments) throws Exception {
        var settings = new Properties();
        settings.load(new FileReader(arguments[0]));
        var topology = topology(arguments[1], arguments[2]);
        var streams = new KafkaStreams(topology, settings);
        streams.setStateListener((now, before) -> System.out.println(now));
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
