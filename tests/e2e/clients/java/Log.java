// The uniform log: one JSON object per line on standard output (see ../README.md).
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.LinkedHashMap;
import java.util.Map;

final class Log {
    private static final ObjectMapper JSON = new ObjectMapper();
    static String client = "java";

    static void event(String event, Object... pairs) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("time", System.currentTimeMillis() / 1000.0);
        line.put("event", event);
        line.put("client", client);
        for (int i = 0; i < pairs.length; i += 2) line.put((String) pairs[i], pairs[i + 1]);
        try {
            String text = JSON.writeValueAsString(line);
            synchronized (Log.class) {
                System.out.println(text);
                System.out.flush();
            }
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
