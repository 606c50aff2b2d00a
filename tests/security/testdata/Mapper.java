import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import javax.security.auth.x500.X500Principal;
import org.apache.kafka.common.security.ssl.SslPrincipalMapper;

/** Says how Java writes subjects, and what Kafka's mapping rules make of each of them. */
public class Mapper {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        List<String> names = new ArrayList<>();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            byte[] value = Base64.getDecoder().decode(line.substring(1));
            if (line.charAt(0) == 'd') {
                names.add(new X500Principal(value).getName());
                out.println(say(names.get(names.size() - 1)));
                continue;
            }
            SslPrincipalMapper mapper;
            try {
                mapper = SslPrincipalMapper.fromRules(new String(value, StandardCharsets.UTF_8));
            } catch (RuntimeException e) {
                out.println("refused");
                continue;
            }
            for (String name : names) {
                try {
                    out.println(say(mapper.getName(name)));
                } catch (Exception e) {
                    out.println("none");
                }
            }
        }
    }

    private static String say(String text) {
        return "=" + Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }
}
