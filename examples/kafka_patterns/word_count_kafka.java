import java.io.FileReader;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

/** Counts in how many searches each word was. */
class WordCount {
    static Topology topology(String searches, String counts) {
        var text = Serdes.String();
        var builder = new StreamsBuilder();
        KStream<String, String> stream =
            builder.stream(searches, Consumed.with(text, text));
        KTable<String, Long> table = stream
            .flatMapValues(search -> List.of(search.split(" ")))
            .groupBy((key, word) -> word, Grouped.with("by-word", text, text))
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
