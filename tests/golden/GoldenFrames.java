// Frames from Kafka's own encoder: every request and response, every version. README.md has the
// format of the lines.
//
//   java -cp 'build/deps/kafka-clients-4.4.0/*' tests/golden/GoldenFrames.java OUT_FOLDER

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.*;
import java.io.*;
import java.lang.reflect.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.zip.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.RawTaggedField;

public class GoldenFrames {
    static final ObjectMapper JSON = new ObjectMapper()
        .enable(com.fasterxml.jackson.core.JsonParser.Feature.ALLOW_COMMENTS);
    static final JsonNodeFactory NODE = JsonNodeFactory.instance;
    static final String[] VARIANTS = {"empty", "null", "one", "many", "long", "tags",
        "random1", "random2", "random3", "random4"};

    public static void main(String[] args) throws Exception {
        Path out = Path.of(args[0]);
        Files.createDirectories(out);
        try (PrintWriter w = open(out.resolve("frames.txt"))) {
            for (JsonNode spec : definitions()) frames(spec, w);
        }
        try (PrintWriter w = open(out.resolve("headers.txt"))) {
            headers(w);
        }
    }

    static PrintWriter open(Path file) throws IOException {
        return new PrintWriter(Files.newBufferedWriter(file, StandardCharsets.US_ASCII));
    }

    /** The definitions inside the kafka-clients jar, by API key, requests first. */
    static List<JsonNode> definitions() throws Exception {
        var jar = ApiKeys.class.getProtectionDomain().getCodeSource().getLocation();
        List<JsonNode> found = new ArrayList<>();
        try (ZipFile zip = new ZipFile(new File(jar.toURI()))) {
            for (var e : Collections.list(zip.entries())) {
                if (!e.getName().matches("common/message/\\w+\\.json")) continue;
                JsonNode spec = JSON.readTree(zip.getInputStream(e));
                String type = spec.get("type").asText();
                boolean wanted = type.equals("request") || type.equals("response");
                if (wanted && !spec.get("validVersions").asText().equals("none")) found.add(spec);
            }
        }
        found.sort(Comparator.<JsonNode>comparingInt(s -> s.get("apiKey").asInt())
            .thenComparing(s -> s.get("type").asText()));
        return found;
    }

    // -- Bodies ------------------------------------------------------------------------------

    static void frames(JsonNode spec, PrintWriter w) throws Exception {
        String name = spec.get("name").asText();
        int[] valid = range(spec.path("validVersions").asText());
        int[] flexible = range(spec.path("flexibleVersions").asText());
        for (String variant : VARIANTS) {
            String last = null;
            int first = 0;
            for (int v = valid[0]; v <= valid[1] + 1; v++) {
                boolean tags = within(flexible, v);
                boolean skip = v > valid[1] || variant.equals("tags") && !tags;
                String hex = skip ? null : hex(body(spec, name, (short) v, variant, tags));
                if (last != null && !last.equals(hex)) {
                    String versions = first == v - 1 ? "" + first : first + "-" + (v - 1);
                    w.printf("%s %s %s %s%n", name, versions, variant, last);
                }
                if (!Objects.equals(last, hex)) first = v;
                last = hex;
            }
        }
    }

    static ByteBuffer body(JsonNode spec, String name, short version, String variant, boolean tags)
            throws Exception {
        Map<String, JsonNode> structs = new HashMap<>();
        for (JsonNode s : spec.path("commonStructs")) {
            structs.put(s.get("name").asText(), s.get("fields"));
        }
        Sample sample = new Sample(structs, version, variant);
        ObjectNode json = sample.struct(spec.get("fields"), name, 0, 0);
        Class<?> converter =
            Class.forName("org.apache.kafka.common.message." + name + "DataJsonConverter");
        Message message = (Message) converter.getMethod("read", JsonNode.class, short.class)
            .invoke(null, json, version);
        if (tags && (variant.equals("tags") || variant.startsWith("random"))) {
            addTags(message, name, variant.equals("tags") ? null : variant);
        }
        return MessageUtil.toByteBufferAccessor(message, version).buffer();
    }

    /** A body as JSON, from the definition. */
    static class Sample {
        final Map<String, JsonNode> structs;
        final short version;
        final String variant;

        Sample(Map<String, JsonNode> structs, short version, String variant) {
            this.structs = structs;
            this.version = version;
            this.variant = variant;
        }

        ObjectNode struct(JsonNode fields, String path, int index, int depth) {
            ObjectNode node = NODE.objectNode();
            for (JsonNode f : fields) {
                if (!within(range(f.get("versions").asText()), version)) continue;
                String name = f.get("name").asText();
                String key = Character.toLowerCase(name.charAt(0)) + name.substring(1);
                node.set(key, field(f, path + "." + name, index, depth));
            }
            return node;
        }

        JsonNode field(JsonNode f, String path, int index, int depth) {
            String type = f.get("type").asText();
            boolean nullable = within(range(f.path("nullableVersions").asText("none")), version);
            Random random = new Random((variant + path + index).hashCode());
            if (nullable && (variant.equals("null") || random() && random.nextInt(4) == 0)) {
                return NODE.nullNode();
            }
            if (!type.startsWith("[]")) return value(f, type, path, index, depth, random);
            int n = switch (variant) {
                case "empty" -> 0;
                case "null", "one", "tags" -> 1;
                case "many" -> depth < 2 ? 3 : 2;
                case "long" -> f.has("fields") || structs.containsKey(type.substring(2)) ? 1 : 130;
                default -> depth < 2 ? random.nextInt(4) : random.nextInt(3);
            };
            ArrayNode array = NODE.arrayNode();
            for (int i = 0; i < n; i++) {
                array.add(value(f, type.substring(2), path + (random() ? "." + index : ""), i,
                    depth + 1, new Random((variant + path + index + "." + i).hashCode())));
            }
            return array;
        }

        boolean random() { return variant.startsWith("random"); }

        JsonNode value(JsonNode f, String type, String path, int index, int depth, Random random) {
            JsonNode fields = f.has("fields") ? f.get("fields") : structs.get(type);
            if (fields != null) return struct(fields, path, index, depth);
            if (random()) return random(type, random);
            if (variant.equals("empty")) return initial(f, type);
            // A value that tells its field and element: README.md, "sample values".
            String text = f.get("name").asText() + "." + index;
            long h = fnv(text);
            return switch (type) {
                case "bool" -> NODE.booleanNode((h & 1) != 0);
                case "int8" -> NODE.numberNode((byte) h);
                case "int16" -> NODE.numberNode((short) h);
                case "uint16" -> NODE.numberNode((int) (h & 0xffff));
                case "int32" -> NODE.numberNode((int) h);
                case "int64" -> NODE.numberNode(h);
                case "float64" -> NODE.numberNode((double) (int) h);
                case "uuid" -> NODE.textNode(new Uuid(h, ~h).toString());
                case "string" -> NODE.textNode(text);
                case "bytes", "records" -> NODE.binaryNode(text.getBytes(StandardCharsets.UTF_8));
                default -> throw new IllegalStateException(path + ": type " + type);
            };
        }

        /** The field's default. */
        JsonNode initial(JsonNode f, String type) {
            String d = f.path("default").asText("");
            return switch (type) {
                case "bool" -> NODE.booleanNode(d.equalsIgnoreCase("true"));
                case "int8", "int16", "uint16", "int32" ->
                    NODE.numberNode(d.isEmpty() ? 0 : Integer.decode(d));
                case "int64" -> NODE.numberNode(d.isEmpty() ? 0L : Long.decode(d));
                case "float64" -> NODE.numberNode(0.0);
                case "uuid" -> NODE.textNode(Uuid.ZERO_UUID.toString());
                case "string" -> d.equals("null") ? NODE.nullNode() : NODE.textNode(d);
                default -> NODE.binaryNode(new byte[0]);
            };
        }

        JsonNode random(String type, Random r) {
            long[] edges = {0, -1, 1, Long.MAX_VALUE, Long.MIN_VALUE};
            long n = r.nextBoolean() ? edges[r.nextInt(edges.length)] : r.nextLong();
            int size = List.of(0, 1, 7, 30, 126, 127, 128).get(Math.min(r.nextInt(20), 6) % 7);
            if (r.nextInt(8) != 0) size %= 31;
            return switch (type) {
                case "bool" -> NODE.booleanNode(r.nextBoolean());
                case "int8" -> NODE.numberNode((byte) n);
                case "int16" -> NODE.numberNode((short) n);
                case "uint16" -> NODE.numberNode((int) (n & 0xffff));
                case "int32" -> NODE.numberNode((int) n);
                case "int64" -> NODE.numberNode(n);
                case "float64" -> NODE.numberNode(r.nextInt() / 8.0);
                case "uuid" -> NODE.textNode(new Uuid(n, r.nextLong()).toString());
                case "string" -> NODE.textNode(text(r, size));
                default -> {
                    byte[] bytes = new byte[size];
                    r.nextBytes(bytes);
                    yield NODE.binaryNode(bytes);
                }
            };
        }
    }

    static String text(Random r, int size) {
        StringBuilder s = new StringBuilder();
        String letters = "abcdefgh-._0189é漢";
        while (s.length() < size) s.append(letters.charAt(r.nextInt(letters.length())));
        return s.toString();
    }

    static long fnv(String text) {
        long h = 0xcbf29ce484222325L;
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) h = (h ^ (b & 0xff)) * 0x100000001b3L;
        return h;
    }

    /** Unknown tagged fields at every struct (random: at some). */
    static void addTags(Object struct, String path, String random) throws Exception {
        Random r = new Random((random + path).hashCode());
        List<RawTaggedField> tags = ((Message) struct).unknownTaggedFields();
        if (random == null) {
            tags.add(new RawTaggedField(77, "unknown".getBytes(StandardCharsets.UTF_8)));
            tags.add(new RawTaggedField(1 << 20, new byte[0]));
        } else if (r.nextInt(3) == 0) {
            for (int tag : new int[] {40, 127, 128, Integer.MAX_VALUE - 8}) {
                byte[] bytes = new byte[r.nextInt(4) == 0 ? 130 : r.nextInt(10)];
                r.nextBytes(bytes);
                if (r.nextBoolean()) tags.add(new RawTaggedField(tag, bytes));
            }
        }
        for (Field f : struct.getClass().getDeclaredFields()) {
            if (Modifier.isStatic(f.getModifiers())) continue;
            f.setAccessible(true);
            Object value = f.get(struct);
            String inner = path + "." + f.getName();
            // A struct with nothing set may be one that this version does not carry.
            if (value instanceof Message && !value.equals(initial(value))) {
                addTags(value, inner, random);
            }
            if (value instanceof Iterable<?> many && !f.getName().equals("_unknownTaggedFields")) {
                int i = 0;
                for (Object o : many) if (o instanceof Message) addTags(o, inner + i++, random);
            }
        }
    }

    static Object initial(Object struct) throws Exception {
        return struct.getClass().getConstructor().newInstance();
    }

    // -- Headers -----------------------------------------------------------------------------

    static void headers(PrintWriter w) throws Exception {
        for (ApiKeys api : ApiKeys.values()) {
            for (short v = api.messageType.lowestSupportedVersion();
                    v <= api.messageType.highestSupportedVersion(true); v++) {
                header(w, api, v, "named", "client-1", false);
                header(w, api, v, "null", null, false);
                header(w, api, v, "empty", "", false);
                if (api.requestHeaderVersion(v) >= 2) header(w, api, v, "tags", "c", true);
                answer(w, api, v, "plain", false);
                if (api.responseHeaderVersion(v) >= 1) answer(w, api, v, "tags", true);
            }
        }
    }

    static void header(PrintWriter w, ApiKeys api, short v, String variant, String client,
                       boolean tags) throws Exception {
        var header = new RequestHeaderData().setRequestApiKey(api.id).setRequestApiVersion(v)
            .setCorrelationId((int) fnv(api.name + v)).setClientId(client);
        if (tags) addTags(header, "", null);
        short version = api.requestHeaderVersion(v);
        w.printf("request %d %d %d %s %s%n", api.id, v, version, variant,
            hex(MessageUtil.toByteBufferAccessor(header, version).buffer()));
    }

    static void answer(PrintWriter w, ApiKeys api, short v, String variant, boolean tags)
            throws Exception {
        var header = new ResponseHeaderData().setCorrelationId((int) fnv(api.name + v));
        if (tags) addTags(header, "", null);
        short version = api.responseHeaderVersion(v);
        w.printf("answer %d %d %d %s %s%n", api.id, v, version, variant,
            hex(MessageUtil.toByteBufferAccessor(header, version).buffer()));
    }

    // -- Small things ------------------------------------------------------------------------

    /** "3-13", "4", "9+", "none". */
    static int[] range(String text) {
        if (text.isEmpty() || text.equals("none")) return new int[] {0, -1};
        if (text.endsWith("+")) {
            return new int[] {Integer.parseInt(text.substring(0, text.length() - 1)), 32767};
        }
        String[] ends = text.split("-");
        return new int[] {Integer.parseInt(ends[0]), Integer.parseInt(ends[ends.length - 1])};
    }

    static boolean within(int[] range, int v) { return range[0] <= v && v <= range[1]; }

    static String hex(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes.length == 0 ? "-" : HexFormat.of().formatHex(bytes);
    }
}
