// Records what Kafka Connect answers: reads cases of transforms or of converters, makes each call with the original
// classes, and writes the same cases with the answers. What stood in the cases as answers is left out.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.HeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

public final class Recorder {
    static final ObjectMapper JSON = new ObjectMapper();
    private static final String TOPIC = "orders";
    private static final List<String> ANSWERS =
        List.of("same_instance", "output", "result", "error", "java");

    private final JsonConverter json = new JsonConverter();
    private int next = 1;

    public static void main(String[] arguments) throws Exception {
        String kind = arguments.length == 1 ? arguments[0] : "";
        if (!kind.equals("smt") && !kind.equals("converters")) {
            System.err.println("usage: Recorder smt|converters < CASES > RECORDED");
            System.exit(2);
        }
        Recorder recorder = new Recorder();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            if (line.isBlank()) {
                continue;
            }
            ObjectNode asked = (ObjectNode) JSON.readTree(line);
            ObjectNode told = kind.equals("smt") ? recorder.transform(asked) : recorder.convert(asked);
            told.set("id", asked.has("id") ? asked.get("id") : JSON.getNodeFactory().numberNode(recorder.next));
            recorder.next += 1;
            out.println(JSON.writeValueAsString(told));
        }
        out.flush();
    }

    private Recorder() {
        json.configure(Map.of("schemas.enable", "true"), false);
    }

    // === Transforms and predicates

    @SuppressWarnings({"rawtypes", "unchecked"})
    private ObjectNode transform(ObjectNode asked) throws Exception {
        ObjectNode told = asked.deepCopy();
        told.remove(ANSWERS);
        told.remove("id");
        ConnectRecord<?> record = record(asked.get("input"));
        told.set("input", described(record));
        String phase = "configure";
        try {
            if (asked.has("predicate")) {
                Predicate predicate = make(asked.get("predicate"));
                predicate.configure(config(asked));
                phase = "test";
                told.put("result", predicate.test(record));
            } else {
                Transformation transformation = make(asked.get("smt"));
                transformation.configure(config(asked));
                phase = "apply";
                ConnectRecord<?> output = transformation.apply(record);
                told.put("same_instance", output == record);
                told.set("output", output == null ? null : described(output));
            }
        } catch (Exception error) {
            told.set("error", described(phase, error));
        }
        return told;
    }

    private ConnectRecord<?> record(JsonNode asked) {
        SchemaAndValue key = part(asked.get("key"), asked.get("key_schema"), asked.get("key_typed"));
        SchemaAndValue value = part(asked.get("value"), asked.get("value_schema"), asked.get("value_typed"));
        ConnectHeaders headers = new ConnectHeaders();
        if (asked.has("headers")) {
            for (JsonNode header : asked.get("headers")) {
                SchemaAndValue part = part(header.get("value"), header.get("schema"), header.get("typed"));
                headers.add(header.get("key").asText(), part.value(), part.schema());
            }
        }
        String topic = Typed.text(asked.get("topic"));
        Integer partition = asked.hasNonNull("partition") ? asked.get("partition").asInt() : null;
        Long timestamp = asked.hasNonNull("timestamp") ? asked.get("timestamp").asLong() : null;
        if (!"sink".equals(Typed.text(asked.get("kind")))) {
            return new SourceRecord(Map.of(), Map.of(), topic, partition, key.schema(), key.value(),
                value.schema(), value.value(), timestamp, headers);
        }
        TimestampType type = TimestampType.NO_TIMESTAMP_TYPE;
        if (asked.hasNonNull("timestamp_type")) {
            type = TimestampType.forName(asked.get("timestamp_type").asText());
        }
        return new SinkRecord(topic, partition == null ? 0 : partition, key.schema(), key.value(), value.schema(),
            value.value(), asked.path("offset").asLong(), timestamp, type, headers);
    }

    /** The schema is taken from what JsonConverter wrote, where it stands in full. */
    private SchemaAndValue part(JsonNode written, JsonNode described, JsonNode typed) {
        Schema schema = null;
        if (!Typed.isNull(described)) {
            try {
                JsonNode envelope = written == null || !written.has("bytes")
                    ? null : JSON.readTree(written.get("bytes").asText());
                schema = envelope == null
                    ? Typed.schema(described) : json.asConnectSchema(envelope.get("schema"));
            } catch (com.fasterxml.jackson.core.JsonProcessingException error) {
                throw new IllegalArgumentException(error);
            }
        }
        return new SchemaAndValue(schema, Typed.value(schema, typed));
    }

    private ObjectNode described(ConnectRecord<?> record) {
        ObjectNode out = JSON.createObjectNode();
        out.put("kind", record instanceof SinkRecord ? "sink" : "source");
        out.put("topic", record.topic());
        out.put("partition", record.kafkaPartition());
        out.put("timestamp", record.timestamp());
        if (record instanceof SinkRecord sink) {
            out.put("offset", sink.kafkaOffset());
            out.put("timestamp_type", sink.timestampType().toString());
        }
        out.set("key", written(record.keySchema(), record.key()));
        out.set("key_schema", Typed.brief(record.keySchema()));
        out.put("key_java", Typed.javaName(record.key()));
        out.set("value", written(record.valueSchema(), record.value()));
        out.set("value_schema", Typed.brief(record.valueSchema()));
        out.put("value_java", Typed.javaName(record.value()));
        out.set("key_typed", Typed.tagged(record.key()));
        out.set("value_typed", Typed.tagged(record.value()));
        ArrayNode headers = out.putArray("headers");
        for (Header header : record.headers()) {
            ObjectNode one = headers.addObject();
            one.put("key", header.key());
            one.set("schema", Typed.brief(header.schema()));
            one.put("java", Typed.javaName(header.value()));
            one.set("value", written(header.schema(), header.value()));
            one.set("typed", Typed.tagged(header.value()));
        }
        return out;
    }

    private JsonNode written(Schema schema, Object value) {
        ObjectNode out = JSON.createObjectNode();
        try {
            byte[] bytes = json.fromConnectData(TOPIC, schema, value);
            if (bytes == null) {
                return null;
            }
            return out.put("bytes", new String(bytes, StandardCharsets.UTF_8));
        } catch (RuntimeException error) {
            return out.put("unserialisable", error.getMessage());
        }
    }

    // === Converters

    private ObjectNode convert(ObjectNode asked) throws Exception {
        String direction = asked.get("direction").asText();
        boolean reads = direction.startsWith("to");
        ObjectNode told = asked.deepCopy();
        told.remove(ANSWERS);
        told.remove(reads ? List.of("schema", "value", "id") : List.of("bytes", "id"));
        try {
            Object converter = make(asked.get("converter"));
            boolean header = direction.endsWith("Header");
            Map<String, Object> config = new HashMap<>(config(asked));
            if (header) {
                config.put("converter.type", "header");
                ((HeaderConverter) converter).configure(config);
            } else {
                ((Converter) converter).configure(config, false);
            }
            if (reads) {
                byte[] bytes = bytes(asked.get("bytes"));
                SchemaAndValue read = header
                    ? ((HeaderConverter) converter).toConnectHeader(TOPIC, "h", bytes)
                    : ((Converter) converter).toConnectData(TOPIC, bytes);
                told.set("schema", Typed.full(read.schema()));
                told.put("java", Typed.javaName(read.value()));
                told.set("value", Typed.tagged(read.value()));
            } else {
                Schema schema = Typed.schema(asked.get("schema"));
                Object value = Typed.value(schema, asked.get("value"));
                byte[] bytes = header
                    ? ((HeaderConverter) converter).fromConnectHeader(TOPIC, "h", schema, value)
                    : ((Converter) converter).fromConnectData(TOPIC, schema, value);
                told.set("bytes", bytes(bytes));
            }
        } catch (Exception error) {
            told.set("error", described(direction, error));
        }
        return told;
    }

    private static byte[] bytes(JsonNode recorded) {
        if (Typed.isNull(recorded)) {
            return null;
        }
        return recorded.has("utf8")
            ? recorded.get("utf8").asText().getBytes(StandardCharsets.UTF_8)
            : Base64.getDecoder().decode(recorded.get("base64").asText());
    }

    private static JsonNode bytes(byte[] bytes) {
        if (bytes == null) {
            return null;
        }
        ObjectNode out = JSON.createObjectNode();
        try {
            return out.put("utf8", StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString());
        } catch (CharacterCodingException error) {
            return out.put("base64", Base64.getEncoder().encodeToString(bytes));
        }
    }

    // === Both

    @SuppressWarnings("unchecked")
    private static <T> T make(JsonNode name) throws ReflectiveOperationException {
        return (T) Class.forName(name.asText()).getDeclaredConstructor().newInstance();
    }

    private static Map<String, String> config(JsonNode asked) {
        Map<String, String> out = new HashMap<>();
        asked.get("config").properties().forEach(pair -> out.put(pair.getKey(), Typed.text(pair.getValue())));
        return out;
    }

    private static ObjectNode described(String phase, Throwable error) {
        ObjectNode out = JSON.createObjectNode();
        out.put("phase", phase);
        out.put("class", error.getClass().getName());
        out.put("message", error.getMessage());
        ArrayNode causes = out.putArray("causes");
        for (Throwable cause = error.getCause(); cause != null; cause = cause.getCause()) {
            causes.addObject().put("class", cause.getClass().getName()).put("message", cause.getMessage());
        }
        return out;
    }
}
