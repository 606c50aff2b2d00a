import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.squareup.wire.schema.Location;
import com.squareup.wire.schema.internal.parser.ProtoParser;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;

/** What Jackson and Wire make of schemas: a line of JSON in, a line of JSON out. */
public final class Oracle {
  static final ObjectMapper LINES = new ObjectMapper();
  static final ObjectMapper EXACT = JsonMapper.builder()
      .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
      .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
      .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
      .build();

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      ObjectNode question = (ObjectNode) LINES.readTree(line);
      String text = question.get("text").asText();
      ObjectNode answer = LINES.createObjectNode();
      try {
        if (args[0].equals("jackson")) {
          jackson(text, answer);
        } else {
          answer.put("elements", wire(text));
        }
      } catch (Exception e) {
        answer.put("error", String.valueOf(e.getMessage()).split("\n")[0]);
      }
      out.write(LINES.writeValueAsString(answer));
      out.newLine();
    }
    out.flush();
  }

  static void jackson(String text, ObjectNode answer) throws Exception {
    JsonNode node = EXACT.readTree(text);
    answer.put("compact", EXACT.writeValueAsString(node));
    answer.put("sorted", EXACT.writeValueAsString(EXACT.treeToValue(node, Object.class)));
  }

  /** The file's elements as Kotlin prints them, without places and comments. */
  static String wire(String text) {
    String all = ProtoParser.Companion.parse(Location.get("x.proto"), text).toString();
    return all.replaceAll("x\\.proto(:\\d+)*", "-");
  }
}
