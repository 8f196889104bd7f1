// Values with a tag on each leaf that names its Java type, and descriptions of schemas: as cases hold them.

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;

final class Typed {
    private Typed() {
    }

    static boolean isNull(JsonNode node) {
        return node == null || node.isNull();
    }

    static String text(JsonNode node) {
        return isNull(node) ? null : node.asText();
    }

    /** The value that is described; structs are of `schema`, or where that does not fit of one made up for them. */
    static Object value(Schema schema, JsonNode typed) {
        if (isNull(typed)) {
            return null;
        }
        Map.Entry<String, JsonNode> leaf = typed.properties().iterator().next();
        JsonNode value = leaf.getValue();
        switch (leaf.getKey()) {
            case "boolean":
                return value.asBoolean();
            case "int8":
                return (byte) value.asInt();
            case "int16":
                return (short) value.asInt();
            case "int32":
                return value.asInt();
            case "int64":
                return value.asLong();
            case "float32":
                return Float.valueOf(value.asText());
            case "float64":
                return Double.valueOf(value.asText());
            case "string":
                return value.asText();
            case "bytes":
                return Base64.getDecoder().decode(value.asText());
            case "bytebuffer":
                return ByteBuffer.wrap(Base64.getDecoder().decode(value.asText()));
            case "decimal":
                return new BigDecimal(value.asText());
            case "date_ms":
                return new Date(value.asLong());
            case "array":
                List<Object> list = new ArrayList<>();
                value.forEach(item -> list.add(value(child(schema, Schema.Type.ARRAY, false), item)));
                return list;
            case "map":
                Map<Object, Object> map = new LinkedHashMap<>();
                for (JsonNode pair : value) {
                    map.put(value(child(schema, Schema.Type.MAP, true), pair.get(0)),
                        value(child(schema, Schema.Type.MAP, false), pair.get(1)));
                }
                return map;
            case "struct":
                return struct(schema, value);
            case "other":
                return new StringBuilder(value.asText().substring(value.asText().indexOf(' ') + 1));
            default:
                throw new IllegalArgumentException("no value: " + typed);
        }
    }

    private static Schema child(Schema schema, Schema.Type type, boolean key) {
        if (schema == null || schema.type() != type) {
            return null;
        }
        return key ? schema.keySchema() : schema.valueSchema();
    }

    private static Struct struct(Schema expected, JsonNode pairs) {
        Struct struct = new Struct(expected != null && fits(expected, pairs) ? expected : madeUp(pairs));
        for (JsonNode pair : pairs) {
            // A null is what is there already, also where it may not be put.
            if (!isNull(pair.get(1))) {
                String name = pair.get(0).asText();
                struct.put(name, value(struct.schema().field(name).schema(), pair.get(1)));
            }
        }
        return struct;
    }

    private static boolean fits(Schema schema, JsonNode pairs) {
        if (schema.type() != Schema.Type.STRUCT || schema.fields().size() != pairs.size()) {
            return false;
        }
        for (JsonNode pair : pairs) {
            if (schema.field(pair.get(0).asText()) == null) {
                return false;
            }
        }
        return true;
    }

    private static Schema madeUp(JsonNode pairs) {
        SchemaBuilder builder = SchemaBuilder.struct();
        for (JsonNode pair : pairs) {
            String tag = isNull(pair.get(1)) ? "string" : pair.get(1).fieldNames().next();
            builder.field(pair.get(0).asText(), of(tag, pair.get(1)));
        }
        return builder.optional().build();
    }

    private static Schema of(String tag, JsonNode typed) {
        switch (tag) {
            case "struct":
                return madeUp(typed.get(tag));
            case "decimal":
                return org.apache.kafka.connect.data.Decimal.builder(new BigDecimal(typed.get(tag).asText()).scale())
                    .optional().build();
            case "date_ms":
                return org.apache.kafka.connect.data.Timestamp.builder().optional().build();
            case "array":
                return SchemaBuilder.array(item(typed.get(tag).path(0))).optional().build();
            case "map":
                JsonNode first = typed.get(tag).path(0);
                return SchemaBuilder.map(item(first.path(0)), item(first.path(1))).optional().build();
            default:
                return SchemaBuilder.type(Schema.Type.valueOf(tag.toUpperCase())).optional().build();
        }
    }

    private static Schema item(JsonNode typed) {
        return typed.isObject() ? of(typed.fieldNames().next(), typed) : Schema.OPTIONAL_STRING_SCHEMA;
    }

    static JsonNode tagged(Object value) {
        if (value == null) {
            return null;
        }
        ObjectNode out = Recorder.JSON.createObjectNode();
        if (value instanceof Boolean bool) {
            return out.put("boolean", bool);
        } else if (value instanceof Byte number) {
            return out.put("int8", number);
        } else if (value instanceof Short number) {
            return out.put("int16", number);
        } else if (value instanceof Integer number) {
            return out.put("int32", number);
        } else if (value instanceof Long number) {
            return out.put("int64", number);
        } else if (value instanceof Float number) {
            return out.put("float32", number.toString());
        } else if (value instanceof Double number) {
            return out.put("float64", number.toString());
        } else if (value instanceof String text) {
            return out.put("string", text);
        } else if (value instanceof byte[] bytes) {
            return out.put("bytes", Base64.getEncoder().encodeToString(bytes));
        } else if (value instanceof ByteBuffer buffer) {
            byte[] bytes = new byte[buffer.remaining()];
            buffer.duplicate().get(bytes);
            return out.put("bytebuffer", Base64.getEncoder().encodeToString(bytes));
        } else if (value instanceof BigDecimal number) {
            return out.put("decimal", number.toString());
        } else if (value instanceof Date date) {
            return out.put("date_ms", date.getTime());
        } else if (value instanceof List<?> list) {
            ArrayNode items = out.putArray("array");
            list.forEach(item -> items.add(tagged(item)));
        } else if (value instanceof Map<?, ?> map) {
            ArrayNode pairs = out.putArray("map");
            map.forEach((key, item) -> pairs.addArray().add(tagged(key)).add(tagged(item)));
        } else if (value instanceof Struct struct) {
            ArrayNode pairs = out.putArray("struct");
            for (Field field : struct.schema().fields()) {
                pairs.addArray().add(field.name()).add(tagged(struct.getWithoutDefault(field.name())));
            }
        } else {
            out.put("other", value.getClass().getName() + " " + value);
        }
        return out;
    }

    static String javaName(Object value) {
        if (value == null) {
            return null;
        }
        if (value instanceof Map) {
            return "Map";
        }
        return value instanceof List ? "List" : value.getClass().getSimpleName();
    }

    /** A schema without what is below it, and without its default. */
    static ObjectNode brief(Schema schema) {
        if (schema == null) {
            return null;
        }
        ObjectNode out = Recorder.JSON.createObjectNode();
        out.put("type", schema.type().getName());
        out.put("optional", schema.isOptional());
        out.put("name", schema.name());
        if (schema.version() != null) {
            out.put("version", schema.version());
        }
        out.put("doc", schema.doc());
        if (schema.parameters() != null && !schema.parameters().isEmpty()) {
            ObjectNode parameters = out.putObject("parameters");
            schema.parameters().forEach(parameters::put);
        }
        out.put("has_default", schema.defaultValue() != null);
        return out;
    }

    static ObjectNode full(Schema schema) {
        ObjectNode out = brief(schema);
        if (schema == null) {
            return null;
        }
        if (schema.defaultValue() != null) {
            out.set("default", tagged(schema.defaultValue()));
        }
        switch (schema.type()) {
            case STRUCT:
                ArrayNode fields = out.putArray("fields");
                for (Field field : schema.fields()) {
                    fields.addObject().put("field", field.name()).set("schema", full(field.schema()));
                }
                break;
            case MAP:
                out.set("keys", full(schema.keySchema()));
                out.set("values", full(schema.valueSchema()));
                break;
            case ARRAY:
                out.set("items", full(schema.valueSchema()));
                break;
            default:
        }
        return out;
    }

    /** The other way. */
    static Schema schema(JsonNode described) {
        if (isNull(described)) {
            return null;
        }
        SchemaBuilder builder = switch (described.get("type").asText()) {
            case "struct" -> SchemaBuilder.struct();
            case "array" -> SchemaBuilder.array(schema(described.get("items")));
            case "map" -> SchemaBuilder.map(schema(described.get("keys")), schema(described.get("values")));
            default -> SchemaBuilder.type(Schema.Type.valueOf(described.get("type").asText().toUpperCase()));
        };
        for (JsonNode field : described.path("fields")) {
            builder.field(field.get("field").asText(), schema(field.get("schema")));
        }
        if (described.path("optional").asBoolean()) {
            builder.optional();
        }
        if (described.hasNonNull("name")) {
            builder.name(described.get("name").asText());
        }
        if (described.hasNonNull("version")) {
            builder.version(described.get("version").asInt());
        }
        if (described.hasNonNull("doc")) {
            builder.doc(described.get("doc").asText());
        }
        described.path("parameters").properties()
            .forEach(pair -> builder.parameter(pair.getKey(), pair.getValue().asText()));
        if (described.hasNonNull("default")) {
            builder.defaultValue(value(builder, described.get("default")));
        }
        return builder.build();
    }
}
