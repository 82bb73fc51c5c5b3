// The board of Callpulse: the newest record of every entity and window, and how old it is.
//
//   java -cp 'lib/*' Board.java localhost:9092 acd.kpis           shows every queue's last five minutes, once a second
//   java -cp 'lib/*' Board.java localhost:9092 acd.kpis --once    prints every record of the board, and ends
//
// with kafka-clients, jackson-databind and what they need in lib (Java 17 or later). Nothing is committed: the topic
// is compacted, so that reading it from its beginning is the way to have it all. docs/subscribing.md says why each
// step is as it is.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

public class Board {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** The newest record of each key. */
    private final Map<String, JsonNode> records = new TreeMap<>();
    /** The newest progress of each partition. */
    private final Map<String, JsonNode> progress = new HashMap<>();

    void apply(String key, String value) throws IOException {
        if (key.startsWith("progress|")) {
            if (value != null) {
                JsonNode told = JSON.readTree(value);
                JsonNode known = progress.get(key);
                if (known == null || known.get("generation").asLong() <= told.get("generation").asLong()) {
                    progress.put(key, told);
                }
            }
        } else if (value == null) {
            // A tombstone: the entity or the window has ended.
            records.remove(key);
        } else {
            JsonNode record = JSON.readTree(value);
            JsonNode known = records.get(key);
            if (known == null || known.get("version").asLong() < record.get("version").asLong()) {
                records.put(key, record);
            }
        }
    }

    /** Up to when all that happened is counted; empty before the first progress record. */
    Optional<Instant> completeUpTo() {
        return progress.values().stream().map(told -> Instant.parse(told.get("as_of").asText())).min(Instant::compareTo);
    }

    /** How old the data is. It grows when the engine stands still, whatever the records say. */
    void tellAge(PrintStream out) {
        out.println(completeUpTo()
            .map(upTo -> String.format("complete up to %s, %.1f s ago", upTo, Duration.between(upTo, Instant.now()).toMillis() / 1000.0))
            .orElse("nothing is known yet"));
    }

    void show(PrintStream out) {
        for (JsonNode record : records.values()) {
            JsonNode entity = record.get("entity");
            boolean isQueue = entity.get("kind").asText().equals("queue") && !entity.has("channel");
            if (isQueue && record.at("/window/name").asText().equals("5m")) {
                JsonNode level = record.at("/kpis/service_level/value");
                out.printf("%s: offered %d, service level %s%n", entity.path("title").asText(entity.get("id").asText()),
                    record.at("/counts/offered").asLong(),
                    level.isNull() ? "-" : String.format("%.1f %%", 100 * level.asDouble()));
            }
        }
        tellAge(out);
    }

    public static void main(String[] arguments) throws IOException {
        String topic = arguments[1];
        boolean once = arguments.length > 2 && arguments[2].equals("--once");
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        properties.put("enable.auto.commit", "false");
        // What is not committed may never have happened.
        properties.put("isolation.level", "read_committed");
        Board board = new Board();
        try (var consumer = new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer())) {
            List<TopicPartition> places = consumer.partitionsFor(topic).stream()
                .map(place -> new TopicPartition(topic, place.partition()))
                .toList();
            consumer.assign(places);
            consumer.seekToBeginning(places);
            // With read_committed the end is that of what is committed.
            Map<TopicPartition, Long> ends = consumer.endOffsets(places);
            boolean hasReadAll = false;
            Instant shown = Instant.EPOCH;
            while (true) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    board.apply(record.key(), record.value());
                }
                hasReadAll = hasReadAll
                    || ends.entrySet().stream().allMatch(end -> end.getValue() <= consumer.position(end.getKey()));
                if (hasReadAll && once) {
                    break;
                }
                if (hasReadAll && Duration.between(shown, Instant.now()).toMillis() >= 1000) {
                    shown = Instant.now();
                    board.show(out);
                    out.flush();
                }
            }
        }
        for (Map.Entry<String, JsonNode> record : board.records.entrySet()) {
            out.println(record.getKey() + "\t" + JSON.writeValueAsString(record.getValue()));
        }
        out.flush();
        board.tellAge(System.err);
    }
}
