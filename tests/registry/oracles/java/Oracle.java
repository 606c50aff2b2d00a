import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.squareup.wire.schema.Location;
import com.squareup.wire.schema.internal.parser.EnumConstantElement;
import com.squareup.wire.schema.internal.parser.EnumElement;
import com.squareup.wire.schema.internal.parser.ExtendElement;
import com.squareup.wire.schema.internal.parser.ExtensionsElement;
import com.squareup.wire.schema.internal.parser.FieldElement;
import com.squareup.wire.schema.internal.parser.GroupElement;
import com.squareup.wire.schema.internal.parser.MessageElement;
import com.squareup.wire.schema.internal.parser.OneOfElement;
import com.squareup.wire.schema.internal.parser.ProtoFileElement;
import com.squareup.wire.schema.internal.parser.ProtoParser;
import com.squareup.wire.schema.internal.parser.ReservedElement;
import com.squareup.wire.schema.internal.parser.RpcElement;
import com.squareup.wire.schema.internal.parser.ServiceElement;
import com.squareup.wire.schema.internal.parser.TypeElement;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;

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
          if (question.has("ours")) {
            answer.put("of_ours", wire(question.get("ours").asText()));
          }
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

  /** The file's elements, without places and comments, enums behind messages. */
  static String wire(String text) {
    ProtoFileElement f = ProtoParser.Companion.parse(Location.get("x.proto"), text);
    StringBuilder out = new StringBuilder();
    out.append("file ").append(f.getSyntax()).append(' ').append(f.getPackageName()).append(' ').append(f.getImports())
        .append(f.getPublicImports()).append(f.getWeakImports()).append(f.getOptions());
    types(out, f.getTypes());
    extend(out, f.getExtendDeclarations());
    for (ServiceElement s : f.getServices()) {
      out.append("(service ").append(s.getName()).append(s.getOptions());
      for (RpcElement r : s.getRpcs()) {
        out.append("(rpc ").append(r.getName()).append(' ').append(r.getRequestStreaming()).append(r.getRequestType()).append(' ')
            .append(r.getResponseStreaming()).append(r.getResponseType()).append(r.getOptions()).append(')');
      }
      out.append(')');
    }
    return out.toString();
  }

  static void types(StringBuilder out, List<TypeElement> types) {
    for (TypeElement t : types) {
      if (t instanceof MessageElement m) {
        message(out, m);
      }
    }
    for (TypeElement t : types) {
      if (t instanceof EnumElement e) {
        out.append("(enum ").append(e.getName()).append(e.getOptions());
        reserved(out, e.getReserveds());
        for (EnumConstantElement c : e.getConstants()) {
          out.append('(').append(c.getName()).append('=').append(c.getTag()).append(c.getOptions()).append(')');
        }
        out.append(')');
      }
    }
  }

  static void message(StringBuilder out, MessageElement m) {
    out.append("(message ").append(m.getName()).append(m.getOptions());
    reserved(out, m.getReserveds());
    fields(out, m.getFields());
    for (OneOfElement o : m.getOneOfs()) {
      out.append("(oneof ").append(o.getName()).append(o.getOptions());
      fields(out, o.getFields());
      groups(out, o.getGroups());
      out.append(')');
    }
    groups(out, m.getGroups());
    for (ExtensionsElement e : m.getExtensions()) {
      out.append("(extensions ").append(e.getValues()).append(')');
    }
    types(out, m.getNestedTypes());
    extend(out, m.getExtendDeclarations());
    out.append(')');
  }

  static void reserved(StringBuilder out, List<ReservedElement> list) {
    for (ReservedElement r : list) {
      out.append("(reserved ").append(r.getValues()).append(')');
    }
  }

  static void fields(StringBuilder out, List<FieldElement> list) {
    for (FieldElement f : list) {
      out.append('(').append(f.getLabel()).append(' ').append(f.getType()).append(' ').append(f.getName()).append('=').append(f.getTag())
          .append(' ').append(f.getDefaultValue()).append(' ').append(f.getJsonName()).append(f.getOptions()).append(')');
    }
  }

  static void groups(StringBuilder out, List<GroupElement> list) {
    for (GroupElement g : list) {
      out.append("(group ").append(g.getLabel()).append(' ').append(g.getName()).append('=').append(g.getTag());
      fields(out, g.getFields());
      out.append(')');
    }
  }

  static void extend(StringBuilder out, List<ExtendElement> list) {
    for (ExtendElement e : list) {
      out.append("(extend ").append(e.getName());
      fields(out, e.getFields());
      out.append(')');
    }
  }
}
