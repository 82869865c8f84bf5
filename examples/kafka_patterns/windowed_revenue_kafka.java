import java.io.FileReader;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;

/** Adds up the orders of each shop and minute, and sends on sums that are final. */
class WindowedRevenue {
    static Topology topology(String orders, String sums) {
        var text = Serdes.String();
        var minute = Duration.ofMinutes(1);
        var grace = Duration.ofSeconds(30);
        var builder = new StreamsBuilder();
        KStream<String, String> stream =
            builder.stream(orders, Consumed.with(text, text));
        KTable<Windowed<String>, Long> table = stream
            .mapValues(euros -> Long.parseLong(euros))
            .groupByKey(Grouped.with(text, Serdes.Long()))
            .windowedBy(TimeWindows.ofSizeAndGrace(minute, grace))
            .reduce(Long::sum, Materialized.as("sums"))
            .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()));
        table.toStream()
            .map((shop, sum) ->
                KeyValue.pair(shop.key(), shop.window().start() + " " + sum))
            .to(sums, Produced.with(text, text));
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
