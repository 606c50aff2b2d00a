// Runs the command line tools of Apache Kafka one after the other in one JVM.
//
// A call is a JSON line on standard input: {"class","args","stdin","timeout_ms"}; the
// answer is a JSON line: {"lines":[..],"exit":N,"timeout":false}. lines is what the tool
// printed, in order; what went to the error stream begins with "! ".
//
// A tool runs as its own process would: what it does when it exits happens, and nothing
// that it would print after that is seen.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.utils.Exit;

public class Driver {
    // Thrown into a tool's thread once its output has been taken: its finally blocks
    // close its clients.
    static final class Ended extends Error {
        Ended() { super("the tool has ended", null, false, false); }
    }

    // One run of a tool.
    static final class Run {
        final List<String> lines = new ArrayList<>();
        final Map<Boolean, ByteArrayOutputStream> open =
            Map.of(false, new ByteArrayOutputStream(), true, new ByteArrayOutputStream());
        final List<Runnable> hooks = new ArrayList<>();
        final CountDownLatch ended = new CountDownLatch(1);
        final CountDownLatch taken = new CountDownLatch(1);
        final InputStream stdin;
        Integer exit;
        boolean closed;

        Run(String stdin) { this.stdin = new ByteArrayInputStream(stdin.getBytes(StandardCharsets.UTF_8)); }

        synchronized void write(boolean error, int b) {
            if (closed) return;
            ByteArrayOutputStream line = open.get(error);
            if (b != '\n') { line.write(b); return; }
            lines.add((error ? "! " : "") + line.toString(StandardCharsets.UTF_8));
            line.reset();
        }

        // A last line without an end counts as one.
        synchronized void close() {
            for (boolean error : new boolean[] {false, true}) {
                if (open.get(error).size() > 0) write(error, '\n');
            }
            closed = true;
        }

        synchronized boolean end(int code) {
            if (exit != null) return false;
            exit = code;
            ended.countDown();
            return true;
        }
    }

    static volatile Run current = new Run("");
    static final InheritableThreadLocal<Run> owner = new InheritableThreadLocal<>();

    // What a thread that an earlier tool left behind prints goes nowhere.
    static Run running() {
        Run mine = owner.get();
        return mine != null ? mine : current;
    }

    static final class Out extends OutputStream {
        final boolean error;
        Out(boolean error) { this.error = error; }
        @Override public void write(int b) { running().write(error, b); }
    }

    static final class In extends InputStream {
        @Override public int read() throws java.io.IOException { return running().stdin.read(); }
        @Override public int read(byte[] b, int off, int len) throws java.io.IOException { return running().stdin.read(b, off, len); }
        @Override public int available() throws java.io.IOException { return running().stdin.available(); }
    }

    static void exit(int code, String message) {
        Run run = running();
        if (message != null && !message.isEmpty()) System.err.println(message);
        run.end(code);
        try {
            run.taken.await();
        } catch (InterruptedException e) {
            // the run is over
        }
        throw new Ended();
    }

    public static void main(String[] args) throws Exception {
        BufferedReader calls = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setIn(new In());
        System.setOut(new PrintStream(new Out(false), true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(new Out(true), true, StandardCharsets.UTF_8));
        Exit.setExitProcedure(Driver::exit);
        Exit.setHaltProcedure(Driver::exit);
        Exit.setShutdownHookAdder((name, hook) -> running().hooks.add(hook));
        ObjectMapper json = new ObjectMapper();
        for (String line; (line = calls.readLine()) != null; ) {
            answers.println(json.writeValueAsString(call(json.readTree(line))));
        }
        Runtime.getRuntime().halt(0); // threads of tools that never end
    }

    static Map<String, Object> call(JsonNode call) throws Exception {
        Run run = current = new Run(call.get("stdin").asText());
        List<String> args = new ArrayList<>();
        call.get("args").forEach(a -> args.add(a.asText()));
        Set<Thread> before = Set.copyOf(hooksOfJava().keySet());
        Thread tool = start("tool", run, () -> main(run, call.get("class").asText(), args.toArray(new String[0])));
        boolean ended = run.ended.await(call.get("timeout_ms").asLong(), TimeUnit.MILLISECONDS);
        for (Thread hook : List.copyOf(hooksOfJava().keySet())) {
            if (!before.contains(hook) && Runtime.getRuntime().removeShutdownHook(hook)) run.hooks.add(hook);
        }
        for (Runnable hook : run.hooks) {
            Thread t = start("hook", run, hook);
            t.join(10_000);
        }
        run.close();
        run.taken.countDown();
        if (!ended) tool.interrupt();
        tool.join(10_000);
        return Map.of("lines", run.lines, "exit", ended ? run.exit : -1, "timeout", !ended);
    }

    // Some tools tell Java itself what to do when they exit.
    @SuppressWarnings("unchecked")
    static Map<Thread, Thread> hooksOfJava() throws ReflectiveOperationException {
        Field hooks = Class.forName("java.lang.ApplicationShutdownHooks").getDeclaredField("hooks");
        hooks.setAccessible(true);
        return (Map<Thread, Thread>) hooks.get(null);
    }

    static Thread start(String name, Run run, Runnable body) {
        Thread t = new Thread(() -> { owner.set(run); body.run(); }, name);
        t.setDaemon(true);
        t.setUncaughtExceptionHandler((thread, e) -> { });
        t.start();
        return t;
    }

    // Runs the tool's main as the java command does.
    static void main(Run run, String name, String[] args) {
        try {
            Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) args);
            run.end(0);
        } catch (InvocationTargetException e) {
            if (!(e.getCause() instanceof Ended)) {
                System.err.println("Exception in thread \"main\" " + e.getCause());
                run.end(1);
            }
        } catch (ReflectiveOperationException e) {
            System.err.println(e);
            run.end(1);
        }
    }
}
